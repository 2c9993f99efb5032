/** What deploy.json says about how functions are reached and what they reach, in containers of one platform. */
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { promisify } from 'node:util'
import type Docker from 'dockerode'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PlatformView } from '../../src/contract/index.ts'
import { connectDocker } from '../../src/docker/index.ts'
import { Neighbour } from '../support/probes.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'

const SECRET = 'not-for-the-disk-of-others'
const PROBE = `
import { X509Certificate } from 'node:crypto'
import tls from 'node:tls'
const reach = (target: string) => fetch(target, { signal: AbortSignal.timeout(3000) }).then(({ status }) => status, () => 'none')
const answer = async (request: Request) => {
  const { pathname, searchParams } = new URL(request.url)
  const { NODE_ENV, GREETING, TOKEN } = process.env
  const major = process.versions.node.split('.')[0]
  return Response.json({
    ...{ pathname, major, NODE_ENV, GREETING, TOKEN },
    zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    authorities: (tls as unknown as { getCACertificates(type: string): string[] })
      .getCACertificates('extra').map(pem => new X509Certificate(pem).fingerprint256),
    reached: await Promise.all(searchParams.getAll('target').map(reach)),
    platform: await reach(process.env['RYO_FAAS_PROXY_URL'] + '/healthz'),
  })
}
`

let platform: TestPlatform
let view: PlatformView
let docker: Docker
let network: string
const ends: (() => Promise<unknown> | void)[] = []
let project: { file: string; outside: string; host: string }

interface Seen {
  [field: string]: unknown
  reached: unknown[]
}
const ask = async (path: string, ...targets: string[]): Promise<Seen> => {
  const query = new URLSearchParams(targets.map(target => ['target', target]))
  return (await (await fetch(`${view.proxyUrl}${path}?${query}`)).json()) as Seen
}

beforeAll(async () => {
  platform = await TestPlatform.make({ TZ: 'Pacific/Auckland', GREETING_OF_SHELL: 'hello' })
  const ca = join(platform.home, 'company.pem')
  await writeFile(ca, rootCertificates[0]!)
  view = await platform.start('docker', ['--ca', ca])
  docker = (await connectDocker(process.env)).docker
  network = `${platform.project}-app`
  const created = await docker.createNetwork({ Name: network, Driver: 'bridge' })
  ends.push(() => created.remove())
  const neighbour = await Neighbour.make()
  ends.push(() => neighbour.remove())
  ends.push(await neighbour.serve(8080))
  const server = createServer((_request, response) => void response.end()).listen(0, '0.0.0.0')
  ends.push(() => void server.close())
  const file = await writeProject(join(platform.home, 'shop'), {
    open: {
      code: PROBE + 'export const open = answer',
      options: {
        ...{ route: '/api/:id', methods: ['GET'], networks: [network], env: { GREETING: '${GREETING_OF_SHELL}' } },
        environments: { staging: { env: { GREETING: 'staged', NODE_ENV: 'test', TZ: 'Asia/Tokyo' } } },
      },
    },
    closed: { code: PROBE + 'export const closed = answer', options: { egress: 'none', node: '24' } },
  })
  await writeFile(join(platform.home, 'shop/.env'), `TOKEN=${SECRET}\n`)
  await platform.ok(['deploy', file])
  const host = `http://host.docker.internal:${(server.address() as AddressInfo).port}/`
  project = { file, outside: `http://${neighbour.address}:8080/`, host }
})
afterAll(async () => {
  await platform.remove()
  for (const end of ends.splice(0).reverse()) await end()
})

test('a function is reached at its route, by its methods, and knows zone, mode, variables and authorities', async () => {
  expect(await ask('/api/42')).toMatchObject({
    ...{ pathname: '/api/42', NODE_ENV: 'production', GREETING: 'hello', TOKEN: SECRET },
    ...{ zone: 'Pacific/Auckland', platform: 200 },
  })
  const { fingerprint256 } = new X509Certificate(rootCertificates[0]!)
  expect((await ask('/api/42'))['authorities']).toContain(fingerprint256)
  const refused = await fetch(`${view.proxyUrl}/api/42`, { method: 'POST' })
  expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  const { deployments } = JSON.parse(await platform.ok(['details', '--json'])) as { deployments: { url: string }[] }
  expect(deployments.map(({ url }) => url).sort()).toEqual([
    `${view.proxyUrl}/api/:id`,
    `${view.proxyUrl}/functions/closed`,
  ])
})

test('it reaches this machine by name and the Internet; without egress, the platform alone', async () => {
  const { host, outside } = project
  expect(await ask('/functions/open', host, outside)).toMatchObject({ reached: [200, 200], platform: 200 })
  expect(await ask('/functions/closed', host, outside)).toMatchObject({ reached: ['none', 'none'], platform: 200 })
})

test('it joins a network of others, also after it died, and stays away from link-local addresses there', async () => {
  const containerOf = async () => {
    const label = [`${platform.project}.function=open`]
    const [found] = await docker.listContainers({ filters: { label } })
    return found && docker.getContainer(found.Id).inspect()
  }
  const rules = async () => {
    const { stdout } = await promisify(execFile)('iptables', ['-t', 'raw', '-S', 'PREROUTING'])
    return stdout.toLowerCase()
  }
  const first = (await containerOf())!
  const mac = first.NetworkSettings.Networks[network]!.MacAddress
  expect(await rules()).toMatch(new RegExp(`-d 169\\.254\\.0\\.0/16 .*--mac-source ${mac} .*-j drop`))
  await docker.getContainer(first.Id).kill()
  const second = await until(async () => {
    const found = await containerOf()
    return found !== undefined && found.Id !== first.Id && found.NetworkSettings.Networks[network]?.IPAddress
      ? found
      : undefined
  })
  await until(async () => !(await rules()).includes(mac) || undefined)
  expect(await rules()).toContain(second.NetworkSettings.Networks[network]!.MacAddress)
})

test('it runs on the version of Node that it asks for; one that this machine does not have is refused with those it has', async () => {
  expect(await ask('/functions/closed')).toMatchObject({ major: '24' })
  expect(await platform.ok(['details', 'closed'])).toContain('Node 24\n')
  const code = `export const future = () => new Response('')`
  const file = await writeProject(join(platform.home, 'future'), { future: { code, options: { node: '999' } } })
  const { code: exit, stderr } = await platform.cli(['deploy', file])
  expect(exit).toBe(1)
  expect(stderr).toContain('future cannot run here: Node 999 was not found on this machine')
  expect(stderr).toMatch(/ask for one that is there: (?:\d[\d.]*, )*24\.\d+\.\d+/)
})

test('a network that is missing is named with those that are there', async () => {
  const options = { networks: ['no-such-network'] }
  const code = `export const lost = () => new Response('')`
  const file = await writeProject(join(platform.home, 'lost'), { lost: { code, options } })
  const { code: exit, stderr } = await platform.cli(['deploy', file])
  expect(exit).toBe(1)
  expect(stderr).toContain('there is no Docker network "no-such-network"')
  expect(stderr).toContain(network)
})

test('--env applies what belongs to an environment; no variable is in a folder of a version', async () => {
  await platform.ok(['deploy', project.file, '--env', 'staging', '--only', 'open'])
  const staged = { GREETING: 'staged', NODE_ENV: 'test', TOKEN: SECRET, zone: 'Asia/Tokyo' }
  expect(await ask('/api/1')).toMatchObject(staged)
  expect(await platform.cli(['check', project.file, '--env', 'live'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('the environment "live" is unknown'),
  })
  const folder = join(platform.home, 'deployments')
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) expect(await readFile(join(entry.parentPath, entry.name), 'utf8')).not.toContain(SECRET)
  }
  expect((await stat(join(platform.home, 'state.json'))).mode & 0o777).toBe(0o600)
})
