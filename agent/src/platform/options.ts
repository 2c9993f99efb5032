/**
 * The options of a platform: optional on input, resolved once, here. The command line overrides the environment, which
 * overrides the default; an invalid value is refused at start with a message that names both ways to set it.
 */
import { isIP } from 'node:net'
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { ClockOption, Domain, plainIssue, RyoFaasError } from '../contract/index.ts'
import { readServerUrls } from '../bus/index.ts'
import { AUTO, engineHelp, ENGINES } from '../engines/index.ts'
import { isNetwork } from '../services/proxy/index.ts'
import { parseAddress } from './https-front.ts'

const EMAIL = /^[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;]+$/

const file = z
  .string()
  .refine(value => value === 'none' || isAbsolute(value), 'must be an absolute path, or none')
  .default('none')

/** Listens there, and nobody reaches it there. */
const EVERYWHERE = '0.0.0.0'
const port = z.coerce.number().int().min(0).max(65_535)

export const PlatformOptions = z.object({
  project: z
    .string()
    .regex(/^[a-z][a-z0-9]{0,30}$/, 'must be 1 to 31 lower case letters or digits and begin with a letter')
    .default('rfa'),
  engine: z.enum([AUTO, ...ENGINES.map(({ kind }) => kind)]).default(AUTO),
  host: z.string().min(1).default('127.0.0.1'),
  trustProxy: z
    .string()
    .refine(value => networksOf(value).every(isNetwork), 'must be addresses or networks, separated by commas, or none')
    .default('none'),
  egress: z.enum(['internet', 'none']).default('internet'),
  ca: file,
  port: port.default(9999),
  https: z
    .string()
    .refine(
      value => value === 'off' || parseAddress(value) !== undefined,
      'must be off, a port, or an address and a port',
    )
    .default('off'),
  certificates: z
    .string()
    .refine(value => value === 'home' || isAbsolute(value), 'must be an absolute path, or home')
    .default('home'),
  httpRedirect: z.union([z.literal('off'), port.min(1).transform(String)]).default('off'),
  acme: z
    .string()
    .refine(value => value === 'off' || EMAIL.test(value), 'must be off, or an e-mail address')
    .default('off'),
  acmeDirectory: z
    .string()
    .refine(isSecureUrl, 'must be an https URL')
    .default('https://acme-v02.api.letsencrypt.org/directory'),
  acmeEab: z
    .string()
    .refine(value => value === 'none' || isAbsolute(value), 'must be an absolute path, or none')
    .default('none'),
  acmeDomains: z.string().refine(isDomains, 'must be names of hosts, separated by commas, or none').default('none'),
  dashboardHost: z.union([z.literal('none'), Domain]).default('none'),
  proxyProtocol: z.enum(['on', 'off']).default('off'),
  agentPort: port.default(9998),
  store: z
    .string()
    .refine(
      value => value === 'embedded' || isDatabaseUrl(value),
      'must be embedded, or a URL such as postgres://user@host:5432/database',
    )
    .default('embedded'),
  storePort: port.default(5001),
  natsPort: port.default(4222),
  natsSync: z.enum(['on', 'off']).default('off'),
  natsUrl: z
    .string()
    .refine(
      value => value === 'own' || readServerUrls(value) !== undefined,
      'must be own, or a URL such as nats://user:password@host:4222, or several, separated by commas',
    )
    .default('own'),
  natsCreds: file,
  natsCa: file,
  natsCert: file,
  natsKey: file,
  natsReplicas: z.union([z.literal(AUTO), z.coerce.number().int().min(1).max(5)]).default(AUTO),
  clusterKey: file,
  clusterAddress: z
    .string()
    .refine(
      value => value === AUTO || isIP(value) !== 0 || ![undefined, EVERYWHERE].includes(parseAddress(value)?.host),
      'must be auto, or an address of this machine, perhaps with a port',
    )
    .default(AUTO),
  traces: z.enum(['on', 'off']).default('on'),
  traceRate: z.coerce.number().min(0).default(50),
  traceRatio: z.coerce.number().min(0).max(1).default(0.001),
  traceSlowMs: z.coerce.number().min(0).default(1000),
  collectorPort: port.default(0),
  proxyWorkers: z.coerce.number().int().min(1).max(64).default(1),
  clock: ClockOption.default('system'),
  dispatchers: z.coerce.number().int().min(1).max(64).default(1),
  asyncBodyLimitMb: z.coerce.number().min(0).max(1024).default(10),
  resultLimitMb: z.coerce.number().min(0).max(1024).default(10),
  callbackAllow: z.string().min(1).default('*'),
  callRetentionMs: z.coerce
    .number()
    .int()
    .min(60_000)
    .default(7 * 86_400_000),
  idempotencyWindowMs: z.coerce.number().int().min(1000).default(86_400_000),
  baseImage: z.string().min(1).default('auto'),
  registry: z
    .string()
    .regex(
      /^(?:none|(?:https?:\/\/)?[a-z0-9.-]+(?::\d+)?(?:\/[a-z0-9._-]+)*\/?)$/,
      'must be none, or a registry such as registry.example.org/team',
    )
    .default('none'),
  natsServer: z.string().min(1).default('auto'),
  natsImage: z.string().min(1).default('nats:2-alpine'),
  node: z.string().min(1).default('auto'),
  pool: z.coerce.number().int().min(0).max(50).default(2),
  maxInstances: z.coerce.number().int().min(1).max(100_000).default(500),
  startTimeoutMs: z.coerce.number().int().min(100).max(3_600_000).default(30_000),
})
export type PlatformOptions = z.infer<typeof PlatformOptions>

/** Set to `true` in the environment of an agent whose user agreed that it installs nats-server. */
export const MAY_INSTALL = 'RYO_FAAS_MAY_INSTALL'

/** The addresses and networks of `--trust-proxy`. */
export function networksOf(trustProxy: string): string[] {
  return trustProxy === 'none' ? [] : trustProxy.split(',').map(network => network.trim())
}

/** The names of `--acme-domains`. */
export function domainsOf(list: string): string[] {
  return list === 'none' ? [] : list.split(',').map(name => name.trim())
}

function isDomains(list: string): boolean {
  return domainsOf(list).every(name => Domain.safeParse(name).success)
}

function isSecureUrl(value: string): boolean {
  return URL.canParse(value) && new URL(value).protocol === 'https:'
}

/** What each option is for; the CLI's help and the documentation's table come from here. */
export const OPTION_HELP: Record<keyof PlatformOptions, string> = {
  project: 'Prefix of every container, network and label; allows several platforms on one machine',
  engine: `Where functions run: ${engineHelp()}`,
  host: 'Address the proxy listens on; anything but loopback opens it to the network',
  trustProxy: 'Reverse proxies whose X-Forwarded-* headers are trusted: addresses or networks, separated by commas',
  egress: 'What functions in containers can reach outside the platform: internet or none',
  ca: 'File with certificates of further authorities that functions and --acme trust (PEM), besides those added to this machine and those of NODE_EXTRA_CA_CERTS',
  port: 'Port of the proxy (0: any free port)',
  https: 'HTTPS and HTTP/2 in front of the proxy: off, a port on all addresses, or an address and a port',
  certificates:
    'Folder of the certificates for --https: NAME.crt and NAME.key, or folders with fullchain.pem and privkey.pem; home: certificates in RYO_FAAS_HOME. Changes are noticed',
  httpRedirect: 'Port where plain HTTP is redirected to --https: off, or a port such as 80',
  acme: 'E-mail address with which certificates for --https are asked of an ACME authority, whose terms you thereby agree to: for the "domains" of deployments, and --acme-domains; off: none are',
  acmeDirectory: 'Directory URL of the ACME authority; its own certificate may be of an authority in --ca',
  acmeEab:
    'File with what an ACME authority that knows its customers gave you (external account binding): {"kid": …, "hmacKey": …}, the key in base64url; none',
  acmeDomains: 'More names to get certificates for: names of hosts, separated by commas, or none',
  dashboardHost:
    'Host name at which the dashboard is served over --https, for those who sign in with a token; none: nowhere but on this machine',
  proxyProtocol:
    'Whether connections of --trust-proxy to --https and --http-redirect begin with the header of the PROXY protocol: on or off',
  agentPort: 'Port of the agent (0: any free port)',
  store:
    'Where documents are kept: embedded (in RYO_FAAS_HOME), or the URL of a PostgreSQL database; its password may be in PGPASSWORD or a passfile instead',
  storePort: 'Port of the store (0: any free port)',
  natsPort: 'Port of NATS (0: any free port)',
  natsSync:
    'Whether NATS waits for the disk with every message, so that a power failure loses none: on or off; asynchronous calls are then accepted more slowly',
  natsUrl:
    'NATS that others run, in place of one of our own: nats://user:password@host:4222, or tls://…, several members of its cluster separated by commas; own: none',
  natsCreds:
    'Credentials file for --nats-url (.creds), in place of a user and password, or a token, in the URL; or none',
  natsCa: 'File with the certificates of the authority of --nats-url (PEM), if it is no public one; or none',
  natsCert: 'File with the certificate that we show to --nats-url (PEM), with --nats-key; or none',
  natsKey: 'File with the key of --nats-cert (PEM); or none',
  natsReplicas:
    'Servers of the cluster of --nats-url that keep each stream: auto (3 if it has as many members, or else 1), or a number from 1 to 5',
  clusterKey:
    'File with the key that the agents of one platform share, each on a machine of its own: one leads, the others stand by. Made by the first one, to be copied to the others; none: there is one agent',
  clusterAddress:
    'Address of this machine where the other agents reach this one, perhaps with a port; auto: the address from which it reaches NATS',
  traces: 'Record traces: on or off',
  traceRate: 'Calls per second that are always traced',
  traceRatio: 'Fraction of the calls beyond that rate that are traced, 0 to 1',
  traceSlowMs:
    'Calls that take at least this long are recorded even if not sampled, like failed ones, in milliseconds (0: off)',
  collectorPort: 'Port that receives traces over OTLP/HTTP (0: any free port)',
  proxyWorkers: 'Proxy processes that share the port, to use more cores',
  clock:
    'Clock that schedules follow: system; or one of tests, which can be set forward: now, or an ISO time at which it stands still',
  dispatchers: 'Processes that run asynchronous calls; they share each function’s concurrency',
  asyncBodyLimitMb: 'Largest body of an asynchronous call, in MB',
  resultLimitMb: 'Largest result of an asynchronous call that is kept, in MB',
  callbackAllow:
    'Hosts that callbacks may go to: patterns with *, separated by commas; * alone means all public hosts, others must be named',
  callRetentionMs: 'How long finished asynchronous calls are kept, in milliseconds',
  idempotencyWindowMs: 'How long an Idempotency-Key is remembered, in milliseconds',
  baseImage: 'Image functions are built on: assemble (from this machine’s Node), or a reference to pull',
  registry:
    'Registry from which the machines of a swarm fetch images, such as registry.example.org/team (with http:// in front if it has no encryption); none: from the agent',
  natsServer: 'nats-server to run: auto, image, or a path',
  natsImage: 'NATS image for hosts with Docker but without nats-server',
  node: 'Node binary that parts and functions run on: auto (Node 24 if installed with ryo-faas), or a path',
  pool: 'Instances without code that wait for the next deploy or start, for each memory limit in use (0: none)',
  maxInstances:
    'Most instances that run at the same time, of all functions; idle ones are frozen to make room for those that are called',
  startTimeoutMs: 'How long a new instance may take to become ready, in milliseconds',
}

function isDatabaseUrl(value: string): boolean {
  const url = URL.canParse(value) ? new URL(value) : undefined
  return url?.protocol === 'postgres:' || url?.protocol === 'postgresql:'
}

/** An option as people may see it: without the password of a URL. */
export function shownValue<Value>(value: Value): Value | string {
  if (typeof value !== 'string' || !value.includes('://')) return value
  return value.split(NEXT_SERVER).map(shownUrl).join(',')
}

const NEXT_SERVER = /,(?=\s*(?:nats|tls):\/\/)/

function shownUrl(url: string): string {
  return url
    .replace(/(?<=^\s*(?:nats|tls):\/\/)[^/?#:@]+(?=@)/, '***') // A token.
    .replace(/(?<=:\/\/[^/?#]*?:)[^/?#]*(?=@)/, '***')
    .replace(/(?<=[?&](?:ssl)?password=)[^&#]*/g, '***')
}

/** `proxyWorkers` → `RYO_FAAS_PROXY_WORKERS`. */
export function variableOf(option: string): string {
  return `RYO_FAAS_${option.replace(/([A-Z])/g, '_$1').toUpperCase()}`
}

/** `proxyWorkers` → `--proxy-workers`. */
export function flagOf(option: string): string {
  return `--${option.replace(/([A-Z])/g, '-$1').toLowerCase()}`
}

/**
 * @param earlier options of a platform that died in this home: what still runs was started with them.
 * @throws RyoFaasError INVALID_OPTION
 */
export function resolveOptions(
  flags: Record<string, unknown>,
  environment: NodeJS.ProcessEnv,
  earlier: Record<string, unknown> = {},
): PlatformOptions {
  const given: Record<string, unknown> = { ...earlier }
  for (const name of Object.keys(PlatformOptions.shape)) {
    const value = flags[name] ?? (environment[variableOf(name)] || undefined)
    if (value !== undefined) given[name] = value
  }
  const parsed = PlatformOptions.safeParse(given, { error: plainIssue })
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]!
  const name = String(issue.path[0])
  throw new RyoFaasError(
    'INVALID_OPTION',
    `${flagOf(name)} ${JSON.stringify(shownValue(given[name]))}: ${issue.message}`,
    {
      hint: `Set it with ${flagOf(name)} or ${variableOf(name)}. ${OPTION_HELP[name as keyof PlatformOptions]}.`,
    },
  )
}
