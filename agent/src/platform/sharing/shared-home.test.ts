import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import type { Bus } from '../../bus/index.ts'
import type { TestNats } from '../../bus/testing/nats-server.ts'
import { breakNext, connected, emptied, onAgentsBus } from '../../cluster/cluster-testing.ts'
import { Contents, newClusterKey, Seal, SharedFolders, SharedRecord } from '../../cluster/index.ts'
import { DeployEntry } from '../../contract/index.ts'
import type { VersionRecord } from '../../deployments/state/index.ts'
import { SecretStore } from '../../secrets/index.ts'
import { openHome, type Home } from '../launch.ts'
import { SharedHome } from './shared-home.ts'

let nats: TestNats
let bus: Bus
onAgentsBus(made => ({ nats, bus } = made))

const seal = new Seal(newClusterKey())

/** A process of an agent; `folder`: of one that was killed, to be followed in its home. */
async function agent({ own = bus, folder: given }: { own?: Bus; folder?: string } = {}) {
  const folder = given ?? (await mkdtemp(join(tmpdir(), 'rfa-shared-')))
  const home = await openHome(folder, { isAdopted: given !== undefined, keepsKeys: true })
  const secrets = new SecretStore(folder)
  onTestFinished(async () => {
    await home.tokens.close()
    await rm(folder, { recursive: true, force: true })
  })
  const lease = { isHeld: true }
  const contents = new Contents(own, seal)
  const record = new SharedRecord({
    ...{ bus: own, seal, contents },
    isHeld: () => lease.isHeld,
    onDeposed: () => undefined,
  })
  const log = pino({ enabled: false })
  const shared = new SharedHome({ home, secrets, record, contents, folders: new SharedFolders(contents), log })
  onTestFinished(() => shared.close())
  return { folder, home, secrets, shared, record, contents, lease }
}

/** As a deploy leaves it: first the folder, then the state. */
async function deploy(home: Home, name: string, version: number, code: string): Promise<void> {
  const dir = join(home.folder, 'deployments', name, String(version), 'app')
  await mkdir(dir, { recursive: true })
  await writeFile(join(dir, 'main.js'), code)
  const made: VersionRecord = {
    ...{ version, hash: code, dir, entry: 'main.js', kind: 'http', language: 'node', protocol: 2 },
    ...{
      createdAt: new Date().toISOString(),
      config: DeployEntry.parse({ name, packageDir: '/p', filePath: '/p/a.ts' }),
    },
  }
  await home.state.update(next => {
    const versions = [...(next.deployments[name]?.versions ?? []), made]
    const record = { name, route: name, active: version, nextVersion: version + 1, versions }
    next.deployments[name] = { ...record, subscriptions: {}, pausedSchedules: [] }
  })
}

const codeIn = (folder: string, name: string, version: number) =>
  readFile(join(folder, 'deployments', name, String(version), 'app', 'main.js'), 'utf8')

test('a home that was alone is shared with all that is in it, and another one goes on with it', async () => {
  const one = await agent()
  await one.home.state.update(({ ports }) => void (ports['proxy'] = 1111))
  await deploy(one.home, 'hello', 1, 'one')
  await one.secrets.set('WORD', 'secret')
  const { token } = await one.home.tokens.create({ name: 'Ann', can: 'deploy' })
  const mine = await one.shared.join()
  await one.shared.takeOver(1)
  await deploy(one.home, 'hello', 2, 'two')

  const two = await agent()
  await two.home.state.update(({ ports }) => void (ports['proxy'] = 2222))
  expect((await two.shared.join()).keys).toEqual(mine.keys)
  await two.shared.takeOver(2)
  const { ports, deployments } = two.home.state.current
  expect([ports['proxy'], deployments['hello']?.active]).toEqual([2222, 2])
  expect(deployments['hello']!.versions[1]!.dir).toBe(join(two.folder, 'deployments', 'hello', '2', 'app'))
  expect(await codeIn(two.folder, 'hello', 2)).toBe('two')
  expect(await two.secrets.values(['WORD'])).toEqual({ WORD: 'secret' })
  expect(two.home.tokens.identify(token)).toMatchObject({ name: 'Ann', can: 'deploy' })
  // A version knows which secrets are newer than it.
  const times = await Promise.all([one, two].map(({ folder }) => stat(join(folder, 'secrets', 'WORD'))))
  expect(Math.round(times[0]!.mtimeMs)).toBe(Math.round(times[1]!.mtimeMs))
})

test('what one changes while it leads, and no more once it does not, the next one has', async () => {
  const one = await agent()
  await one.shared.join()
  await one.shared.takeOver(1)
  await deploy(one.home, 'hello', 1, 'one')
  await one.secrets.set('WORD', 'before')
  await one.secrets.set('GONE', 'x')
  await one.secrets.set('GONE', null)
  const two = await agent()
  await two.secrets.set('OLD', 'of another time')
  await two.shared.join()
  await two.shared.takeOver(2)
  await expect(deploy(one.home, 'late', 1, 'late')).rejects.toMatchObject({ code: 'LEADER_LOST' })
  await expect(one.secrets.set('WORD', 'late')).rejects.toMatchObject({ code: 'LEADER_LOST' })
  await expect(one.home.tokens.create({ name: 'late', can: 'read' })).rejects.toMatchObject({ code: 'LEADER_LOST' })
  expect(Object.keys(one.home.state.current.deployments)).toEqual(['hello'])
  expect(await one.secrets.values(['WORD'])).toEqual({ WORD: 'before' })
  expect(await two.secrets.all()).toMatchObject({ WORD: { value: 'before' } })
  expect(await two.secrets.names()).toEqual(['WORD'])
  expect(Object.keys(two.home.state.current.deployments)).toEqual(['hello'])
})

test('one that stands by fetches ahead, replaces what another agent left under the same name, and removes the rest', async () => {
  const one = await agent()
  await one.shared.join()
  await one.shared.takeOver(1)
  await deploy(one.home, 'hello', 1, 'one')
  const two = await agent()
  await deploy(two.home, 'hello', 1, 'never shared')
  await deploy(two.home, 'gone', 7, 'never shared either')
  await two.shared.join()
  await two.shared.follow()
  expect(await codeIn(two.folder, 'hello', 1)).toBe('one')
  expect(await readdir(join(two.folder, 'deployments', 'gone'))).toEqual([])
  await deploy(one.home, 'hello', 2, 'two')
  await two.shared.follow()
  expect(await codeIn(two.folder, 'hello', 2)).toBe('two')
})

test('contents of versions that are gone are removed, and those of the others are not', async () => {
  const one = await agent()
  await one.shared.join()
  await one.shared.takeOver(1)
  await deploy(one.home, 'hello', 1, 'one')
  await deploy(one.home, 'gone', 1, 'gone')
  await one.home.state.update(next => void delete next.deployments['gone'])
  await one.shared.collect()
  const two = await agent()
  await two.shared.join()
  await two.shared.takeOver(2)
  expect(await codeIn(two.folder, 'hello', 1)).toBe('one')
})

test('a leader that is killed at any step of a deploy leaves the version before or the new one, whole', async () => {
  for (let step = 0; ; step++) {
    await emptied(bus)
    const own = await connected(nats)
    const one = await agent({ own })
    await one.shared.join()
    await one.shared.takeOver(1)
    await deploy(one.home, 'hello', 1, 'one')
    // From this publication on nothing of it arrives; its lease is over before it gives up.
    const publish = own.publish.bind(own)
    let left = step
    own.publish = async (...given) => {
      if (left-- > 0) return publish(...given)
      one.lease.isHeld = false
      breakNext(own, ['lost'])
      return own.publish(...given)
    }
    const isWhole = await deploy(one.home, 'hello', 2, 'two').then(
      () => true,
      () => false,
    )
    const two = await agent()
    await two.shared.join()
    await two.shared.takeOver(2)
    const { active } = two.home.state.current.deployments['hello']!
    expect(await codeIn(two.folder, 'hello', active)).toBe(active === 2 ? 'two' : 'one')
    if (isWhole) expect(active).toBe(2)
    // The process of the one that died, once more: it has what the others have.
    const again = await agent({ folder: one.folder })
    await again.shared.join()
    await again.shared.takeOver(3)
    expect(again.home.state.current.deployments['hello']!.active).toBe(active)
    expect(await codeIn(again.folder, 'hello', active)).toBe(active === 2 ? 'two' : 'one')
    if (isWhole) break
    expect(step).toBeLessThan(10)
  }
})

test('a change that the bus does not take changes nothing here', async () => {
  const own = await connected(nats)
  const one = await agent({ own })
  await one.shared.join()
  await one.shared.takeOver(1)
  own.publish = () => Promise.reject(Object.assign(new Error('full'), { code: 'FULL' }))
  await expect(one.secrets.set('WORD', 'x')).rejects.toThrow()
  expect(await one.secrets.names()).toEqual([])
})
