/** The services of the platform: in what they differ from each other. */
import type { z } from 'zod'
import type { TracingSettings } from '@ryo-faas/runtime/telemetry'
import type { BusAccess } from '../../bus/index.ts'
import { RyoFaasError } from '../../contract/index.ts'
import type { StateStore } from '../../deployments/state/index.ts'
import type { ProxyReach } from '../../engines/index.ts'
import { dispatcherName, type MainOptions as DispatcherMain } from '../../services/dispatcher/index.ts'
import { ProxyControl, type MainOptions as ProxyMain, type SharedSettings } from '../../services/proxy/index.ts'
import type { MainOptions as StoreMain } from '../../services/store/index.ts'
import type { EnsuredSecrets } from '../ensured-secrets.ts'
import { storeFolder } from '../home-data.ts'
import { frontOf } from '../https-front.ts'
import { networksOf, type PlatformOptions } from '../options.ts'
import { SERVICES } from './service-args.ts'
import { DRAIN_MS, type OwnSettings, type Service } from './service-part.ts'

export interface ServiceContext {
  home: string
  /** Release of ryo-faas. */
  version: string
  options: PlatformOptions
  state: StateStore
  secrets: EnsuredSecrets
  nats: BusAccess
  reach: ProxyReach
  /** With several agents: its epoch. */
  term?: number | undefined
  /** Which spans parts send, and where; absent: none. */
  traces: TracingSettings | undefined
}

type Settings<MainOptions extends z.ZodType> = Omit<z.input<MainOptions>, OwnSettings>

export function proxyService(context: ServiceContext): Service {
  const { home, options, state, reach } = context
  const front = frontOf(home, options)
  const settings: Settings<typeof ProxyMain> = {
    ...sharedSettings(context),
    extraHosts: [...reach.listenHosts],
    workers: options.proxyWorkers,
    trustProxy: networksOf(options.trustProxy),
    ...(front && { front }),
    ...sharedLimits(options),
    shared: { key: context.secrets.proxyKey, id: 'local', version: context.version, isFollowing: false },
  }
  return {
    name: 'proxy',
    ...SERVICES.proxy,
    ...(front && {
      note: `HTTPS on ${options.https}`,
      otherPorts: { [front.port]: 'HTTPS', ...(front.redirectPort && { [front.redirectPort]: 'HTTP redirect' }) },
    }),
    listen: { host: options.host, port: () => state.current.ports['proxy'] ?? options.port },
    routesFile: 'routes.json',
    handOver: (controlPath, { env, ...command }) =>
      new ProxyControl({ controlPath }).startSuccessor({ ...command, env: defined(env) }),
    settings,
  }
}

/** What holds for all proxies of the platform. */
export function sharedLimits(options: PlatformOptions): Pick<SharedSettings, 'asyncBodyLimitBytes' | 'callbackAllow'> {
  return { asyncBodyLimitBytes: bytesOf(options.asyncBodyLimitMb), callbackAllow: callbackHosts(options) }
}

function defined(environment: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined)) as never
}

export function storeService(context: ServiceContext): Service {
  const { home, options, state, reach } = context
  const settings: Settings<typeof StoreMain> = {
    ...sharedSettings(context),
    dataFolder: storeFolder(home),
    ...(options.store !== 'embedded' && { database: options.store }),
    project: options.project,
    extraHosts: [...reach.listenHosts],
    hostNames: [reach.proxyHost],
    graceMs: DRAIN_MS,
  }
  return {
    name: 'store',
    ...SERVICES.store,
    listen: { host: '127.0.0.1', port: () => state.current.ports['store'] ?? options.storePort },
    ...(options.store !== 'embedded' && { note: 'on PostgreSQL' }),
    explainExit: unusableDatabase,
    settings,
  }
}

/** What the store said of its database when it gave up. */
function unusableDatabase(log: string): RyoFaasError | undefined {
  const line = log.split('\n').findLast(text => text.includes('"code":"BAD_DATABASE"'))
  if (line === undefined) return undefined
  const { message } = JSON.parse(line) as { message: string }
  return new RyoFaasError('BAD_DATABASE', message, { hint: 'Set it with --store or RYO_FAAS_STORE.' })
}

export function dispatcherServices(context: ServiceContext, urls: { proxyUrl: string; storeUrl: string }): Service[] {
  const { options, secrets } = context
  const { dispatchers } = options
  return Array.from({ length: dispatchers }, (_, index) => {
    const name = dispatcherName(index + 1)
    const settings: Settings<typeof DispatcherMain> = {
      ...sharedSettings(context),
      ...urls,
      callback: { secret: secrets.callbackSecret, allow: callbackHosts(options) },
      resultLimitBytes: bytesOf(options.resultLimitMb),
      dispatchers,
      number: index + 1,
      ...(context.term !== undefined && { term: context.term }),
      drainMs: DRAIN_MS,
    }
    return {
      name,
      ...SERVICES.dispatcher,
      routesFile: `${name}-routes.json`,
      settings,
    }
  })
}

function sharedSettings({ secrets, nats, traces }: ServiceContext) {
  return { access: secrets.keys, nats, traces }
}

function bytesOf(megabytes: number): number {
  return Math.round(megabytes * 1024 * 1024)
}

function callbackHosts({ callbackAllow }: PlatformOptions): string[] {
  return callbackAllow.split(',').map(pattern => pattern.trim())
}
