import { z } from 'zod'
import { NAME_PATTERN } from '@ryo-faas/runtime/protocol'
import { AccessRule, Cors, Domain, Rate } from './access-rule.ts'
import { MAX_INSTANCES, Scale } from './scale.ts'
import { Schedule, scheduleKey } from './schedule.ts'
import { Trigger } from './trigger.ts'
import { EnvironmentName } from './environment-name.ts'
import { HttpMethod, UrlRoute } from './url-route.ts'

export const AsyncPolicy = z.strictObject({
  attempts: z.int().min(1).max(100).default(5).describe('Attempts before a call becomes a dead letter.'),
  backoffMs: z
    .int()
    .min(1)
    .max(3_600_000)
    .default(1000)
    .describe('Delay before the second attempt; doubles each time.'),
  concurrency: z.int().min(1).max(10_000).default(10).describe('Maximum number of calls running at the same time.'),
})
export type AsyncPolicy = z.infer<typeof AsyncPolicy>

const Schedules = z
  .array(Schedule)
  .refine(all => new Set(all.map(scheduleKey)).size === all.length, 'has the same schedule twice: give each a name')

const EnvValues = z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string())
const SecretNames = z.array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/))
const TimeoutMs = z.int().min(1).max(86_400_000)
const MemoryMb = z.int().min(32).max(1_048_576)
const Cpus = z.number().min(0.01).max(1024)
const Instances = z.int().min(1).max(MAX_INSTANCES)
const Concurrency = z.int().min(1).max(100_000)

const Networks = z
  .array(z.string().min(1).max(255))
  .min(1)
  .describe('Existing Docker networks that it joins by name, such as "myapp_default" of a Compose project.')
const Egress = z
  .enum(['internet', 'none'])
  .describe('What it reaches in a container beyond the platform; default internet, unless the platform says none.')
const Nodes = z
  .string()
  .regex(
    /^[\w.-]+\s*(?:==|!=)\s*[^\s,=!]+(?:\s*,\s*[\w.-]+\s*(?:==|!=)\s*[^\s,=!]+)*$/,
    'must be conditions on labels of machines, such as "role==gpu" or "zone!=eu-1,disk==ssd"',
  )
  .describe(
    'Machines of a swarm that it may run on, by their labels: "role==gpu", "zone!=eu-1,disk==ssd". Without it, all of them.',
  )
const Ca = z
  .string()
  .min(1)
  .describe('File with certificates of further authorities that it trusts (PEM), relative to this file.')

/** Who reaches it, and how. Without defaults. */
const REACH = {
  access: AccessRule.optional().describe(
    'Who may call it: "public", "private" (other functions, triggers and the command line), "key" (keys of ryo-faas keys), or users of an issuer of JWTs. Default: "public" while the proxy listens on loopback; with --host, nobody.',
  ),
  cors: Cors.optional().describe('Pages of which origins may call it.'),
  rate: Rate.optional().describe(
    'Most calls of one key, user or address: a number per s, m, h or d, such as "100/s". More get 429.',
  ),
  domains: z
    .array(Domain)
    .min(1)
    .optional()
    .describe('Host names at which its route is served, default "/*" there; without it, at every name.'),
}

/** What may differ from environment to environment: how a function runs, not what it is. Without defaults. */
export const EnvironmentOverrides = z
  .strictObject({
    env: EnvValues.describe('Environment variables, in addition to those of the entry and over them.'),
    secrets: SecretNames.describe('Names of secrets, in place of those of the entry.'),
    timeoutMs: TimeoutMs,
    memoryMb: MemoryMb,
    cpus: Cpus,
    instances: Instances,
    scale: Scale,
    concurrency: Concurrency,
    networks: Networks,
    egress: Egress,
    nodes: Nodes,
    ca: Ca,
    ...REACH,
  })
  .partial()

/** One element of `deploy`. */
export const DeployEntry = z.strictObject({
  name: z
    .string()
    .regex(NAME_PATTERN, 'must be 1 to 63 letters, digits, "_" or "-", and begin with a letter or digit')
    .describe('Name of the exported function; the route is its lower case. With mainProcess, name of the service.'),
  export: z
    .string()
    .min(1)
    .optional()
    .describe('What filePath exports, if not under this name; default: name, the default export, or GET, POST, ….'),
  packageDir: z.string().min(1).describe('Folder bundled with the function, relative to this file.'),
  filePath: z
    .string()
    .default('')
    .describe(
      'The module in packageDir that exports the handler, relative to this file. Not needed with command or dockerfile.',
    ),
  language: z.string().min(1).optional().describe('Language of the function; default: from the extension of filePath.'),
  node: z
    .string()
    .regex(/^(?:[2-9]\d|[1-9]\d{2,})(?:\.\d+){0,2}$/, 'must be a version of Node from 20 on, such as "22" or "22.12.0"')
    .optional()
    .describe(
      'Version of Node that it runs on, such as "22" or "22.12.0", which this machine must have; default: that of the platform.',
    ),
  python: z
    .string()
    .regex(/^3(?:\.\d+){1,2}$/, 'must be a version of Python, such as "3.13"')
    .optional()
    .describe('Version of Python that it runs on, such as "3.13", which this machine must have; default: its python3.'),
  command: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(
      'A program and its arguments, run in packageDir, in place of a handler: an HTTP server that listens on $PORT. "./server" is a program of the package, "python3" one of this machine.',
    ),
  dockerfile: z
    .union([z.literal(true), z.string().min(1)])
    .optional()
    .describe(
      'Build the container of an HTTP server that listens on $PORT from the Dockerfile of packageDir; a path in it if it is not called Dockerfile.',
    ),
  readiness: z
    .string()
    .regex(/^\/[^\s#]*$/, 'must be a path, such as "/healthz"')
    .optional()
    .describe(
      'Path at which a program with command or dockerfile answers 2xx once it is ready; default: it is ready when it accepts connections.',
    ),
  route: UrlRoute.optional().describe(
    'Path at which it is reached in addition to /functions/<name>, as written: /orders, /orders/:id, /files/*. The function sees the whole path, and its parameters in context().params.',
  ),
  methods: z.array(HttpMethod).min(1).optional().describe('HTTP methods that it answers, others get 405; default all.'),
  async: z.union([z.boolean(), AsyncPolicy]).default(false).describe('Queue calls durably and answer 202.'),
  on: z.array(Trigger).min(1).optional().describe('Triggers: document changes that start the function.'),
  schedule: Schedules.default([]).describe('Times at which the function is called.'),
  mainProcess: z
    .boolean()
    .default(false)
    .describe('The module exports main(service), which registers several handlers.'),
  env: EnvValues.default({}).describe(
    'Environment variables, over those of .env.local and .env next to this file and in packageDir. ${NAME} and ${NAME:-default} stand for a variable of these files or of the shell that deploys.',
  ),
  environments: z
    .record(EnvironmentName, EnvironmentOverrides)
    .optional()
    .describe('By name, what differs in an environment that is deployed with --env NAME, which also reads .env.NAME.'),
  secrets: SecretNames.default([]).describe(
    'Names of secrets, given to the function as variables and as files in /run/secrets.',
  ),
  store: z
    .strictObject({
      read: z.array(z.string().min(1)).default([]).describe('Tables it may read.'),
      write: z.array(z.string().min(1)).default([]).describe('Tables it may write; to patch, it must also read.'),
    })
    .optional()
    .describe('Tables of the store that the function may use; default all.'),
  files: z.array(z.string().min(1)).default([]).describe('Globs of further files in packageDir to include.'),
  unbundled: z
    .array(
      z
        .string()
        .regex(/^(?:@[\w.*~-]+\/)?[\w.*~-]+$/, 'must be the name of a package, or a group of names like "@scope/*"'),
    )
    .default([])
    .describe('Packages to take along from node_modules as they are, instead of bundling them: names, or "@scope/*".'),
  timeoutMs: TimeoutMs.default(30_000).describe('Maximum duration of one call.'),
  memoryMb: MemoryMb.default(256).describe('Memory limit of an instance.'),
  cpus: Cpus.default(1).describe('CPU limit of an instance.'),
  instances: Instances.optional().describe('Number of instances that always run, in place of scale.'),
  scale: Scale.optional().describe(
    'How many instances run and when they sleep; default: one or more while it is called, none after a minute without.',
  ),
  concurrency: Concurrency.default(1000).describe('Maximum number of concurrent calls in one instance.'),
  bodyLimitMb: z.number().min(0).default(10).describe('Largest request body in MB; 0: no limit.'),
  networks: Networks.optional(),
  egress: Egress.optional(),
  nodes: Nodes.optional(),
  ca: Ca.optional(),
  ...REACH,
})
export type DeployEntry = z.infer<typeof DeployEntry>

/** The whole of deploy.json, without comments and trailing commas. */
export const DeployFile = z.strictObject({
  $schema: z.string().optional(),
  deploy: z.array(DeployEntry).min(1).describe('The functions of this project.'),
})
export type DeployFile = z.infer<typeof DeployFile>

export const DeploymentKind = z.enum(['http', 'async', 'trigger', 'service'])
export type DeploymentKind = z.infer<typeof DeploymentKind>

export function kindOf(entry: Pick<DeployEntry, 'async' | 'on' | 'mainProcess'>): DeploymentKind {
  if (entry.mainProcess) return 'service'
  if (entry.on) return 'trigger'
  return entry.async ? 'async' : 'http'
}

/**
 * JSON schema (draft 7, the version that editors support) of deploy.json. Other tools have a file of that name: only
 * one with a list `deploy` is validated.
 */
export function deployFileJsonSchema(): Record<string, unknown> {
  const { $schema, ...whole } = z.toJSONSchema(DeployFile, { target: 'draft-7', io: 'input' })
  return {
    $schema,
    title: 'ryo-faas deploy.json',
    allowComments: true,
    allowTrailingCommas: true,
    if: { required: ['deploy'], properties: { deploy: { type: 'array' } } },
    then: whole,
    else: { properties: { deploy: { description: DeployFile.shape.deploy.description } } },
  }
}
