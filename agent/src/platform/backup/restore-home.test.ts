import { access, chmod, cp, mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises' // prettier-ignore
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { acquireProcessLock } from '../../host/index.ts'
import { writeArchive, type BackupHead } from './archive.ts'
import { filesUnder } from './file-trees.ts'
import { keepBackup } from './keep-backup.ts'
import { finishRestore, restoreHome } from './restore-home.ts'

let folder: string
let home: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-restore-'))
  home = join(folder, 'home')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const OLD = '/elsewhere/.ryo-faas'
const STATE = {
  deployments: {
    a: { versions: [{ version: 1, dir: `${OLD}/deployments/a/1`, config: { env: { AT: `${OLD}/x` } } }] },
  },
}

/** A backup of a small home. */
async function backup(head: Partial<BackupHead> = {}): Promise<Buffer> {
  const from = join(folder, 'from')
  await mkdir(join(from, 'deployments/a/1/bin'), { recursive: true })
  await mkdir(join(from, 'secrets'), { recursive: true })
  await mkdir(join(from, 'certificates'), { recursive: true })
  await writeFile(join(from, 'state.json'), JSON.stringify(STATE))
  await writeFile(join(from, 'deployments/a/1/bin/run'), '#!/bin/sh')
  await chmod(join(from, 'deployments/a/1/bin/run'), 0o755)
  await symlink('bin/run', join(from, 'deployments/a/1/start')).catch(() => undefined)
  await writeFile(join(from, 'secrets/WORD'), 's3cret', { mode: 0o600 })
  await utimes(join(from, 'secrets/WORD'), 1_600_000_000, 1_600_000_000)
  await writeFile(join(from, 'certificates/a.crt'), 'PEM')
  return buffer(
    writeArchive(
      {
        ...{
          format: 1,
          version: '0.1.0',
          project: 'rfa',
          home: OLD,
          createdAt: '2026-01-01T00:00:00.000Z',
          pausedMs: 1,
        },
        ...{ nats: 'copied', store: { kind: 'embedded', sequence: 7 }, flags: ['--https=443'], ...head },
      },
      filesUnder(from),
    ),
  )
}

const restore = (bytes: Uint8Array, more: { replace?: boolean; digest?: string } = {}) =>
  restoreHome(Readable.from([bytes]), { home, version: '0.1.0', replace: false, ...more })
const isThere = (name: string) =>
  access(join(home, name)).then(
    () => true,
    () => false,
  )
const textOf = (name: string) => readFile(join(home, name), 'utf8')

test('files come back with modes, times and links, and the state names them where they are now', async () => {
  const restored = await restore(await backup())
  expect(restored).toMatchObject({ flags: ['--https=443'], store: { sequence: 7 } })
  expect(restored.before).toBeUndefined()
  expect((await readdir(home)).sort()).toEqual(['certificates', 'deployments', 'run', 'secrets', 'state.json'])
  const state = JSON.parse(await textOf('state.json')) as typeof STATE
  expect(state.deployments.a.versions[0]).toMatchObject({
    dir: join(home, 'deployments/a/1'),
    // The user's own.
    config: { env: { AT: `${OLD}/x` } },
  })
  expect((await stat(join(home, 'deployments/a/1/bin/run'))).mode & 0o777).toBe(0o755)
  expect(await readlink(join(home, 'deployments/a/1/start'))).toBe('bin/run')
  const secret = await stat(join(home, 'secrets/WORD'))
  expect([secret.mode & 0o777, secret.mtimeMs]).toEqual([0o600, 1_600_000_000_000])
  expect((await stat(home)).mode & 0o777).toBe(0o700)
})

test('a home that is not empty is left as it is, or is moved aside as a whole', async () => {
  await mkdir(join(home, 'traces'), { recursive: true })
  await writeFile(join(home, 'state.json'), 'before')
  await writeFile(join(home, 'servers.json'), 'of the user')
  await expect(restore(await backup())).rejects.toMatchObject({ code: 'HOME_NOT_EMPTY' })
  expect(await textOf('state.json')).toBe('before')
  const { before } = await restore(await backup(), { replace: true })
  expect(await readFile(join(before!, 'state.json'), 'utf8')).toBe('before')
  expect((await readdir(before!)).sort()).toEqual(['state.json', 'traces'])
  expect(await textOf('secrets/WORD')).toBe('s3cret')
  expect(await textOf('servers.json')).toBe('of the user')
})

test('nothing is put into a home whose platform runs, or was not stopped', async () => {
  const bytes = await backup()
  const lock = await acquireProcessLock(join(home, 'run/agent.lock'))
  await expect(restore(bytes)).rejects.toMatchObject({ code: 'ALREADY_RUNNING' })
  if (lock.kind === 'acquired') await lock.release()
  await writeFile(join(home, 'run/options.json'), '{}')
  await expect(restore(bytes)).rejects.toMatchObject({ code: 'ALREADY_RUNNING' })
  await rm(join(home, 'run/options.json'))
  await restore(bytes)
})

test('two at once: one is done, the other refused', async () => {
  const bytes = await backup()
  const outcomes = await Promise.allSettled([restore(bytes), restore(bytes)])
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  expect(await textOf('secrets/WORD')).toBe('s3cret')
})

test('what is damaged, was changed, or is of a later release leaves the home as it was', async () => {
  await mkdir(home)
  await writeFile(join(home, 'state.json'), 'before')
  const bytes = await backup()
  const tries: [Buffer, string, string?][] = [
    [bytes.subarray(0, bytes.length - 100), 'BACKUP_INVALID'],
    [bytes, 'BACKUP_INVALID', '0'.repeat(64)],
    [Buffer.from('garbage'), 'BACKUP_INVALID'],
    [await backup({ version: '0.1.1' }), 'UNSUPPORTED'],
    [await backup({ version: '0.2.0-beta.1' }), 'UNSUPPORTED'],
  ]
  for (const [content, code, digest] of tries) {
    await expect(restore(content, { replace: true, ...(digest && { digest }) })).rejects.toMatchObject({ code })
    expect(await textOf('state.json')).toBe('before')
    expect((await readdir(home)).sort()).toEqual(['run', 'state.json'])
  }
})

test.each(['platform/current', 'run/agent.lock', 'servers.json', 'restoring/ready.json'])(
  'a backup with %s in it is refused: programs and locks do not come from one',
  async name => {
    const path = join(folder, 'from', name)
    await mkdir(join(path, '..'), { recursive: true })
    await writeFile(path, '{}')
    await expect(restore(await backup())).rejects.toMatchObject({ code: 'BACKUP_INVALID' })
    expect(await isThere(name)).toBe(false)
  },
)

test('a restore that was killed while it moved things is finished, wherever that was', async () => {
  const names = ['state.json', 'secrets', 'deployments']
  const aside = 'before-restore-2026-01-01T00-00-00-000Z'
  const make = async () => {
    await rm(home, { recursive: true, force: true })
    for (const at of ['', 'restoring/files']) {
      await mkdir(join(home, at, 'secrets'), { recursive: true })
      await mkdir(join(home, at, 'deployments'), { recursive: true })
      await writeFile(join(home, at, 'state.json'), at === '' ? 'before' : 'after')
      await writeFile(join(home, at, 'secrets/WORD'), at === '' ? 'before' : 'after')
    }
    await mkdir(join(home, 'nats'))
    await writeFile(join(home, 'restoring/ready.json'), JSON.stringify({ names, before: aside }))
  }
  /** Every single step, in the order in which they are made. */
  const steps = ['state.json', 'deployments', 'nats', 'secrets'].flatMap(name => [
    () => mkdir(join(home, aside), { recursive: true }).then(() => rename(join(home, name), join(home, aside, name))),
    ...(name === 'nats' ? [] : [() => rename(join(home, 'restoring/files', name), join(home, name))]),
  ])
  for (let done = 0; done <= steps.length; done++) {
    await make()
    for (const step of steps.slice(0, done)) await step()
    await finishRestore(home)
    expect((await readdir(home)).sort(), String(done)).toEqual([aside, 'deployments', 'secrets', 'state.json'])
    expect([await textOf('state.json'), await textOf('secrets/WORD')]).toEqual(['after', 'after'])
    expect((await readdir(join(home, aside))).sort()).toEqual(['deployments', 'nats', 'secrets', 'state.json'])
    expect(await textOf(join(aside, 'secrets/WORD'))).toBe('before')
  }
})

test('one that was killed before it was ready leaves the home as it was', async () => {
  await mkdir(join(home, 'restoring/files'), { recursive: true })
  await writeFile(join(home, 'restoring/files/state.json'), 'half')
  await writeFile(join(home, 'state.json'), 'before')
  await finishRestore(home)
  expect([await readdir(home), await textOf('state.json')]).toEqual([['state.json'], 'before'])
})

test('a backup that is kept is whole and for its owner alone; what breaks off leaves nothing', async () => {
  const bytes = await backup()
  const path = join(folder, 'kept.tar.gz')
  const pieces = Array.from({ length: Math.ceil(bytes.length / 100) }, (_, at) =>
    bytes.subarray(at * 100, at * 100 + 100),
  )
  const { digest } = await keepBackup(Readable.from(pieces), path)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  await restore(await readFile(path), { digest })
  const broken = Readable.from(
    (async function* () {
      yield bytes.subarray(0, 100)
      throw new Error('disconnected')
    })(),
  )
  await cp(path, join(folder, 'same'))
  await expect(keepBackup(broken, path)).rejects.toThrow('disconnected')
  await expect(keepBackup(Readable.from([bytes.subarray(0, -50)]), path)).rejects.toMatchObject({
    code: 'BACKUP_INVALID',
  })
  expect(await readFile(path)).toEqual(await readFile(join(folder, 'same')))
  expect((await readdir(folder)).filter(name => name.endsWith('.tmp'))).toEqual([])
  await expect(keepBackup(Readable.from(pieces), join(folder, 'none/x'))).rejects.toMatchObject({
    code: 'INVALID_OPTION',
  })
})
