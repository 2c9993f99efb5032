/**
 * The lock-down of the platform's containers, point by point, as reported by Docker and the kernel: a function's, and
 * that of NATS if no nats-server is installed. `docker inspect` shows the configuration, /proc the rights of the
 * process; what it can really do, the function tries itself.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { isDeepStrictEqual } from 'node:util'
import { ENV } from '@ryo-faas/runtime/protocol'
import type Docker from 'dockerode'
import type { ContainerInspectInfo, NetworkInspectInfo } from 'dockerode'
import { pack } from 'tar-stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectDocker } from '../../src/docker/index.ts'
import { findNats, natsContainer } from '../../src/services/nats/index.ts'
import type { Part } from '../../src/supervisor/index.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'

const MEBIBYTE = 1024 ** 2
const NO_CAPABILITY = '0000000000000000'
const SECCOMP_FILTER = '2'

type Found = ContainerInspectInfo & { HostConfig: { CgroupnsMode?: string; MaskedPaths?: string[] } }
type Point = [point: string, of: (found: Found) => unknown, expected: unknown]
const atMost = (limit: number) => expect.toSatisfy((value: number) => value > 0 && value <= limit)

/** For both. */
const CONTAINER: Point[] = [
  ['its root file system is read-only', found => found.HostConfig.ReadonlyRootfs, true],
  ['it is not privileged', found => found.HostConfig.Privileged, false],
  ['every capability is dropped', found => found.HostConfig.CapDrop, ['ALL']],
  ['no capability is added', found => found.HostConfig.CapAdd ?? [], []],
  ['it can gain no privileges; seccomp is as it comes', found => found.HostConfig.SecurityOpt, ['no-new-privileges']],
  ['it sees no processes of the machine', found => found.HostConfig.PidMode, ''],
  ['it shares no memory with the machine', found => found.HostConfig.IpcMode, 'private'],
  ['it has cgroups of its own', found => found.HostConfig.CgroupnsMode, 'private'],
  ['its name is its own', found => found.HostConfig.UTSMode, ''],
  ['it has no devices', found => found.HostConfig.Devices ?? [], []],
  ['the kernel’s files are masked', found => found.HostConfig.MaskedPaths, expect.arrayContaining(['/proc/kcore'])],
  ['its log is bounded', found => found.HostConfig.LogConfig?.Config, { 'max-size': '5m', 'max-file': '2' }],
]
const FUNCTION: Point[] = [
  ['its user is one whom the machine does not know', found => found.Config.User, '65532:65532'],
  ['its processes are counted', found => found.HostConfig.PidsLimit, atMost(512)],
  ['its memory is what deploy.json says', found => found.HostConfig.Memory, 128 * MEBIBYTE],
  ['it has no swap beyond that', found => found.HostConfig.MemorySwap, 128 * MEBIBYTE],
  ['its share of the CPU is what deploy.json says', found => found.HostConfig.NanoCpus, 5e8],
  ['it is not started again behind the agent’s back', found => found.HostConfig.RestartPolicy?.Name, 'no'],
  [
    'nothing of the machine is mounted but its secrets and the authorities that were added here, read-only',
    found => mountsOf(found).filter(mount => !isDeepStrictEqual(mount, ['/run/certificates.pem', false])),
    [['/run/secrets', false]],
  ],
  [
    'it may write to a small /tmp, and run nothing from there',
    found => found.HostConfig.Tmpfs,
    { '/tmp': 'rw,noexec,nosuid,nodev,size=64m,mode=1777' },
  ],
  ['no port is published', found => found.HostConfig.PortBindings, {}],
  ['it is in no network but that of its project', networksOf, [expect.stringMatching(/^rfat\w+-net$/)]],
]
/** Its data belongs to the platform, so it runs as the same user: without capabilities, even root is just an owner. */
const PLATFORM_USER = `${process.getuid!()}:${process.getgid!()}`
const NATS: Point[] = [
  ['its processes are counted', found => found.HostConfig.PidsLimit, atMost(512)],
  ['its memory is bounded', found => found.HostConfig.Memory, atMost(4096 * MEBIBYTE)],
  ['its user is the one who runs the platform', found => found.Config.User, PLATFORM_USER],
  ['nothing is mounted but its configuration, read-only, and its data', mountsOf, [['/data', true], ['/nats.conf', false]]], // prettier-ignore
  [
    'its port is published to this machine alone',
    found => Object.values(found.HostConfig.PortBindings as Record<string, { HostIp: string }[]>).flat(),
    [expect.objectContaining({ HostIp: '127.0.0.1' })],
  ],
  ['it is not in the network of functions', networksOf, ['bridge']],
]
/** Fields of /proc/<pid>/status. */
const PROCESS = {
  CapInh: NO_CAPABILITY,
  CapPrm: NO_CAPABILITY,
  CapEff: NO_CAPABILITY,
  CapBnd: NO_CAPABILITY,
  CapAmb: NO_CAPABILITY,
  NoNewPrivs: '1',
  Seccomp: SECCOMP_FILTER,
}
/** Real, effective, saved and file system id. */
const NOT_ROOT = expect.stringMatching(/^[1-9]\d*(?:\t[1-9]\d*){3}$/)
/** In addition to those from deploy.json. */
const VARIABLES: ReadonlySet<string> = new Set([
  ...['NODE_VERSION', 'NODE_ENV', 'NODE_EXTRA_CA_CERTS', 'TZ', 'PATH', 'HOME', 'HOSTNAME'],
  ...Object.values(ENV),
])

/** What a function finds when it looks around: the result of each attempt, or its error code. */
const PROWLER = `
  import { execFileSync } from 'node:child_process'
  import { copyFileSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
  import { networkInterfaces } from 'node:os'
  const outcome = (attempt: () => unknown): unknown => {
    try { return attempt() ?? 'done' } catch (error) { return (error as NodeJS.ErrnoException).code }
  }
  export const prowler = () => Response.json({
    environment: process.env,
    writeRoot: outcome(() => writeFileSync('/x', '')),
    writeApp: outcome(() => writeFileSync('/app/x', '')),
    writeSecrets: outcome(() => writeFileSync('/run/secrets/x', '')),
    writeTmp: outcome(() => writeFileSync('/tmp/x', '')),
    runFromTmp: outcome(() => {
      copyFileSync(process.execPath, '/tmp/node', 0)
      execFileSync('/tmp/node', ['-v'])
    }),
    becomeRoot: outcome(() => process.setuid!(0)),
    readMemory: outcome(() => readFileSync('/proc/kcore')),
    dockerSocket: outcome(() => readdirSync('/var/run/docker.sock')),
    processes: readdirSync('/proc').filter(name => /^\\d+$/.test(name)).length,
    interfaces: Object.keys(networkInterfaces()).sort(),
    secret: readFileSync('/run/secrets/OWN_SECRET', 'utf8'),
  })`

interface Findings extends Record<string, unknown> {
  environment: Record<string, string>
}

let docker: Docker
let platform: TestPlatform
let inspected: Found
let network: NetworkInspectInfo
let findings: Findings

beforeAll(async () => {
  docker = (await connectDocker(process.env)).docker
  platform = await TestPlatform.make()
  const { proxyUrl } = await platform.start('docker')
  await platform.ok(['secrets', 'set', 'OWN_SECRET'], { input: 'of this function' })
  await platform.ok(['secrets', 'set', 'OTHER_SECRET'], { input: 'of no function' })
  const options = { memoryMb: 128, cpus: 0.5, secrets: ['OWN_SECRET'], env: { OWN: 'yes' } }
  const file = await writeProject(join(platform.home, 'project'), { prowler: { code: PROWLER, options } })
  await platform.ok(['deploy', file])
  inspected = (await docker.getContainer(`${platform.project}-prowler`).inspect()) as Found
  network = await docker.getNetwork(`${platform.project}-net`).inspect()
  findings = (await (await fetch(`${proxyUrl}/functions/prowler`)).json()) as Findings
})
afterAll(() => platform.remove())

function mountsOf({ Mounts }: Found): [destination: string, isWritable: boolean][] {
  return Mounts.map(({ Destination, RW }): [string, boolean] => [Destination, RW]).toSorted()
}

function networksOf({ NetworkSettings }: Found): string[] {
  return Object.keys(NetworkSettings.Networks)
}

async function statusOf({ State }: Found): Promise<Record<string, string>> {
  const text = await readFile(`/proc/${State.Pid}/status`, 'utf8')
  return Object.fromEntries(text.split('\n').map(line => line.split(/:\s*/, 2) as [string, string]))
}

describe('the container of a function', () => {
  test.each([...CONTAINER, ...FUNCTION])('%s', (_point, of, expected) => expect(of(inspected)).toEqual(expected))

  test.each(Object.entries({ ...PROCESS, Uid: NOT_ROOT, Gid: NOT_ROOT }))(
    'its process has %s',
    async (name, expected) => {
      expect((await statusOf(inspected))[name]).toEqual(expected)
    },
  )

  test.each([
    ['writeRoot', 'EROFS'],
    ['writeApp', 'EROFS'],
    ['writeSecrets', 'EROFS'],
    ['writeTmp', 'done'],
    ['becomeRoot', 'EPERM'],
    ['dockerSocket', 'ENOENT'],
    ['processes', 1],
    ['interfaces', ['eth0', 'lo']],
    ['secret', 'of this function'],
  ])('the function finds %s: %j', (what, expected) => expect(findings[what]).toEqual(expected))

  test('the function can neither run what it wrote nor read the machine’s memory', () => {
    expect(findings['runFromTmp']).toMatch(/^E(?:ACCES|NOSPC)$/)
    expect(findings['readMemory']).not.toBe('done')
  })

  test('its variables are its own and those of the contract, nothing else', () => {
    expect(
      Object.keys(findings.environment)
        .filter(name => !VARIABLES.has(name))
        .toSorted(),
    ).toEqual(['OWN', 'OWN_SECRET'])
  })

  test('it contains no secret of the platform or of others', async () => {
    const held = JSON.stringify([findings, inspected])
    for (const secret of await secretsOf(platform.home)) expect(held).not.toContain(secret)
    expect(held).not.toContain('of no function')
  })
})

test('functions cannot reach each other, and the network has no IPv6', () => {
  expect(network.Options?.['com.docker.network.bridge.enable_icc']).toBe('false')
  expect(network).toMatchObject({ Driver: 'bridge', EnableIPv6: false, Attachable: false })
})

/** Every secret that gives access to the platform. */
async function secretsOf(home: string): Promise<string[]> {
  const files = [
    'token',
    'dispatch-token',
    'functions-key',
    'callback-secret',
    'proxy-key',
    join('nats', 'credentials.json'),
  ]
  expect(await readdir(home)).toEqual(expect.arrayContaining(files.slice(0, 4)))
  const texts = await Promise.all(files.map(async file => (await readFile(join(home, file), 'utf8')).trim()))
  return texts.map(text => (text.startsWith('{') ? (JSON.parse(text) as { password: string }).password : text))
}

describe('the container of NATS', () => {
  const project = `rfat${randomBytes(4).toString('hex')}`
  const image = `${project}-nats-image`
  let home: string
  let part: Part
  let nats: Found

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'rfa-home-'))
    await imageWithNats(image)
    await mkdir(join(home, 'nats', 'data'), { recursive: true })
    part = natsContainer({ docker, project, home, image, port: () => 0, user: PLATFORM_USER, isSynced: true })
    await part.ensure()
    const [found] = await docker.listContainers({ filters: { label: [`ryo-faas=${project}`] } })
    nats = (await docker.getContainer(found!.Id).inspect()) as Found
  })
  afterAll(async () => {
    await part.stop()
    await docker.getImage(image).remove({ force: true })
    await rm(home, { recursive: true, force: true })
  })

  /** Built from the base image of functions and this machine's nats-server, because pulling may be impossible. */
  async function imageWithNats(name: string): Promise<void> {
    const source = await findNats({
      ...{ choice: 'auto', image: 'none', environment: process.env, mayInstall: false, report: () => undefined },
    })
    if (source.kind !== 'binary') throw new Error('there is no nats-server on this machine')
    const base = (await docker.getImage(inspected.Image).inspect()).Id
    const container = await docker.createContainer({ Image: base, Cmd: ['none'] })
    try {
      const archive = pack()
      archive.entry({ name: 'usr/local/bin/nats-server', mode: 0o755 }, await readFile(source.path))
      archive.finalize()
      await container.putArchive(await buffer(archive), { path: '/' })
      await container.commit({ repo: name })
    } finally {
      await container.remove({ force: true })
    }
  }

  test.each([...CONTAINER, ...NATS])('%s', (_point, of, expected) => expect(of(nats)).toEqual(expected))

  test.each(Object.entries(PROCESS))('its process has %s', async (name, expected) => {
    expect((await statusOf(nats))[name]).toEqual(expected)
  })
})
