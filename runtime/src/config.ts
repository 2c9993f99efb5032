/** Types for `ryo-faas.config.ts`, which is read and never run. The agent's schema is the contract; a test compares. */

type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'

/** How a function runs: what may differ from environment to environment. */
interface Settings {
  env?: Record<string, string>
  secrets?: string[]
  timeoutMs?: number
  memoryMb?: number
  cpus?: number
  instances?: number
  scale?: { min?: number; max?: number; idleMs?: number; keepMs?: number; target?: number }
  concurrency?: number
  networks?: string[]
  egress?: 'internet' | 'none'
  nodes?: string
  ca?: string
  access?: 'public' | 'private' | 'key' | { jwt: JwtRule }
  cors?: Cors
  rate?: string
  domains?: string[]
}

/** With exactly one of `jwks` and `secret`. */
interface JwtRule {
  issuer: string
  audience: string | string[]
  jwks?: string
  secret?: string
  clockSkewSeconds?: number
}

interface Cors {
  origins: '*' | string[]
  methods?: Method[]
  headers?: string[]
  exposeHeaders?: string[]
  credentials?: boolean
  maxAgeSeconds?: number
}

/** With exactly one of `cron`, `every` and `at`. */
interface Schedule {
  name?: string
  cron?: string
  every?: string
  at?: string
  zone?: string
  missed?: 'once' | 'skip' | 'all'
  overlap?: 'skip' | 'queue' | 'allow'
  path?: string
  body?: unknown
}

export interface FunctionConfig extends Settings {
  name: string
  packageDir: string
  filePath?: string
  language?: string
  export?: string
  route?: string
  methods?: Method[]
  async?: boolean | { attempts?: number; backoffMs?: number; concurrency?: number }
  on?: (
    | { kind?: 'document'; table: string; events: ('new-doc' | 'updated-doc' | 'deleted-doc')[]; ids?: string[] }
    | { kind: 'event'; type: string; source?: string }
    | {
        kind: 'nats'
        server: string
        subject: string
        durable?: string
        deliver?: 'new' | 'all'
        queue?: string
        credentials?: string
        tls?: { ca?: string; cert?: string; key?: string }
      }
  )[]
  schedule?: Schedule[]
  mainProcess?: boolean
  environments?: Record<string, Settings>
  store?: { read?: string[]; write?: string[] }
  files?: string[]
  unbundled?: string[]
  node?: string
  python?: string
  command?: string[]
  dockerfile?: true | string
  readiness?: string
  bodyLimitMb?: number
}

export interface Config {
  $schema?: string
  deploy: FunctionConfig[]
}

/** Gives the editor the types of `config`. */
export function defineConfig(config: Config): Config {
  return config
}
