/**
 * What a platform needs on this machine, each with its state and what to do about it. It changes nothing, and every
 * finding is made on its own: what is broken must not hide the rest.
 */
import { constants } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { AgentClient, homePaths, readAgentFile } from '../client/index.ts'
import { RyoFaasError, type PlatformView } from '../contract/index.ts'
import { connectDocker } from '../docker/index.ts'
import { isAlive, portTaken, readIfPresent } from '../host/index.ts'
import { findNats } from '../services/nats/index.ts'
import { fetchedNode, type NodeCache } from './fetched-node.ts'
import { findNode, isOld } from './node-binary.ts'
import { resolveOptions, type PlatformOptions } from './options.ts'
import { aboutGiven, givenAccess } from './parts/given-nats.ts'

export interface Finding {
  name: string
  status: 'ok' | 'warn' | 'fail'
  found: string
  fix?: string
}

export interface Examination {
  home: string
  version: string
  environment: NodeJS.ProcessEnv
  nodeCache: NodeCache
}

const ENOUGH_BYTES = 1e9
const SCARCE_BYTES = 2e8
const OLDEST_NODE = [20, 19] as const

type Probe = (examination: Examination) => Promise<Omit<Finding, 'name'>>

const PROBES: Record<string, Probe> = {
  Node: async ({ environment, nodeCache }) => {
    const { node } = process.versions
    const [major = 0, minor = 0] = node.split('.').map(Number)
    if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
      return { status: 'fail', found: `Node ${node}`, fix: `Install Node ${OLDEST_NODE.join('.')} or newer.` }
    }
    const runsOn = await findNode(resolveOptions({}, environment).node, fetchedNode(nodeCache))
    const found = runsOn === process.execPath ? `Node ${node}` : `Node ${node}; functions run on ${runsOn}`
    if (runsOn !== process.execPath || !isOld()) return { status: 'ok', found }
    return { status: 'warn', found, fix: 'Functions start faster on Node 24: install it, or name one with --node.' }
  },
  Docker: async ({ environment }) => {
    try {
      return { status: 'ok', found: (await connectDocker(environment)).note }
    } catch (error) {
      const { message, hint } = RyoFaasError.from(error)
      const fix = `${hint ?? 'Start Docker.'} Without it functions run as processes, without isolation.`
      return { status: 'warn', found: message, fix }
    }
  },
  'nats-server': async ({ home, environment }) => {
    const options = await optionsOf(home, environment)
    if (options.natsUrl !== 'own') return examineGiven(options)
    const { natsServer: choice, natsImage: image } = options
    try {
      const source = await findNats({ choice, image, environment, mayInstall: false, report: () => undefined })
      return { status: 'ok', found: source.kind === 'binary' ? source.path : source.ref }
    } catch (error) {
      const { message, hint = '' } = RyoFaasError.from(error)
      const hasDocker = await connectDocker(environment).then(
        () => true,
        () => false,
      )
      return hasDocker
        ? { status: 'ok', found: `not installed; it runs from the image ${image}` }
        : { status: 'fail', found: message, fix: hint }
    }
  },
  ports: async ({ home, environment }) => {
    const running = await platformOf(home)
    if (running) return { status: 'ok', found: `in use by the running platform: ${running.proxyUrl}` }
    const { host, port, agentPort, storePort, natsPort, natsUrl } = resolveOptions({}, environment)
    const wanted = [
      ['proxy', port, host],
      ['agent', agentPort, '127.0.0.1'],
      ['store', storePort, '127.0.0.1'],
      ...(natsUrl === 'own' ? [['NATS', natsPort, '127.0.0.1'] as const] : []),
    ] as const
    for (const [part, number, address] of wanted) {
      if (number === 0 || (await isFree(number, address))) continue
      const { message, hint = '' } = await portTaken(part, number)
      return { status: 'fail', found: message, fix: hint }
    }
    return { status: 'ok', found: `${wanted.map(([part, number]) => `${number} (${part})`).join(', ')} are free` }
  },
  disk: async ({ home }) => {
    const { bavail, bsize } = await statfs(await existing(home))
    const free = bavail * bsize
    const found = `${(free / 1e9).toFixed(1)} GB free for ${home}`
    if (free >= ENOUGH_BYTES) return { status: 'ok', found }
    const fix = 'Free disk space, or set RYO_FAAS_HOME to a folder on another disk.'
    return { status: free < SCARCE_BYTES ? 'fail' : 'warn', found, fix }
  },
  home: async ({ home }) => {
    const place = await existing(home)
    const isWritable = await access(place, constants.W_OK).then(
      () => true,
      () => false,
    )
    if (!isWritable) {
      const fix = 'Set RYO_FAAS_HOME to a folder of your own.'
      return { status: 'fail', found: `${place} cannot be written`, fix }
    }
    if (place !== home) return { status: 'ok', found: `${home} (created at the first start)` }
    const token = await stat(homePaths(home).token).catch(() => undefined)
    if (token !== undefined && process.platform !== 'win32' && (token.mode & 0o077) !== 0) {
      const fix = `chmod 600 ${homePaths(home).token}`
      return { status: 'warn', found: `other users may read the token in ${home}`, fix }
    }
    return { status: 'ok', found: home }
  },
  version: async ({ home, version }) => {
    const running = await platformOf(home)
    if (running === undefined) return { status: 'ok', found: `${version}, not running` }
    if (running.version === version) return { status: 'ok', found: `${version}, running` }
    const fix = 'ryo-faas stopFaas, then startFaas: functions and data are kept.'
    return { status: 'warn', found: `this is ${version}, the running platform is ${running.version}`, fix }
  },
  leftovers: async ({ home }) => {
    const paths = homePaths(home)
    const found = await readAgentFile(home)
    if (found && !(await isAlive(found.agent))) {
      const fix = 'ryo-faas startFaas brings it back; ryo-faas stopFaas --force ends what is left of it.'
      return { status: 'warn', found: `the agent (pid ${found.agent.pid}) died and was not restarted`, fix }
    }
    if (found && (await platformOf(home)) === undefined) {
      const fix = `See ${paths.agentLog}. ryo-faas stopFaas --force kills it and every other part.`
      return { status: 'fail', found: `the agent (pid ${found.agent.pid}) is not responding`, fix }
    }
    const failure = found === undefined ? await readIfPresent(paths.startFailure) : undefined
    if (failure !== undefined) {
      const { message, hint } = JSON.parse(failure) as { message: string; hint?: string }
      return { status: 'warn', found: `the last start failed: ${message}`, ...(hint !== undefined && { fix: hint }) }
    }
    return { status: 'ok', found: 'none' }
  },
}

export function examine(examination: Examination): Promise<Finding[]> {
  return Promise.all(
    Object.entries(PROBES).map(async ([name, probe]) => {
      try {
        return { name, ...(await probe(examination)) }
      } catch (error) {
        const { message, hint } = RyoFaasError.from(error)
        return { name, status: 'fail' as const, found: message, ...(hint !== undefined && { fix: hint }) }
      }
    }),
  )
}

/** With which the platform of this home runs, or ran; else those that it would be started with now. */
async function optionsOf(home: string, environment: NodeJS.ProcessEnv): Promise<PlatformOptions> {
  const { options, stoppedOptions } = homePaths(home)
  const saved = (await readIfPresent(options)) ?? (await readIfPresent(stoppedOptions))
  return resolveOptions({}, environment, saved === undefined ? {} : (JSON.parse(saved) as Record<string, unknown>))
}

async function examineGiven(options: PlatformOptions): Promise<Omit<Finding, 'name'>> {
  try {
    return { status: 'ok', found: await aboutGiven(await givenAccess(options)) }
  } catch (error) {
    const { message, hint = '' } = RyoFaasError.from(error)
    return { status: 'fail', found: message, fix: hint }
  }
}

async function platformOf(home: string): Promise<PlatformView | undefined> {
  try {
    return await (await AgentClient.connect(home)).call('platform', {})
  } catch {
    return undefined // Absent or not responding, which is a finding of its own.
  }
}

/** The folder, or the nearest one above it that exists. */
async function existing(folder: string): Promise<string> {
  const found = await stat(folder).catch(() => undefined)
  return found?.isDirectory() || folder === dirname(folder) ? folder : existing(join(folder, '..'))
}

function isFree(port: number, host: string): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
      .once('error', () => resolve(false))
      .listen(port, host, () => server.close(() => resolve(true)))
  })
}
