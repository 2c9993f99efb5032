/** The store's options: optional in the file, resolved when read, unknown ones refused. Times in milliseconds. */
import { z } from 'zod'
import { AccessKeys } from '../../access/index.ts'
import { BusAccess } from '../../bus/index.ts'
import { ExtraHost } from '../../host/index.ts'
import { TracingInput } from '../../observability/tracing/index.ts'

const ms = z.int().min(0).max(2_147_483_647)
const MIB = 1024 * 1024

export const StoreOptions = z.strictObject({
  /** Folder of the documents, the log and the backups. */
  dataFolder: z.string().min(1),
  /** URL of a PostgreSQL database that has the documents and the log in place of that folder. May hold a password. */
  database: z.string().min(1).optional(),
  /** Who may ask for what: see `api/door.ts`. */
  access: AccessKeys,
  /** Part of the events' `source`. */
  project: z.string().min(1).default('rfa'),
  host: z.string().min(1).default('127.0.0.1'),
  /** More addresses to listen on, on the same port, and whom they are for: the gateway of the private network. */
  extraHosts: z.array(ExtraHost).default([]),
  /** 0 means any free one. */
  port: z.int().min(0).max(65_535).default(5001),
  /** Names besides `localhost` and addresses by which callers may know the store. */
  hostNames: z.array(z.string().min(1)).default([]),
  /** Where events go; without it they stay in the log. */
  nats: BusAccess.optional(),
  /** Largest body of a write. */
  bodyLimitBytes: z
    .int()
    .min(1)
    .max(256 * MIB)
    .default(MIB),
  /** Largest import that has to be taken as a whole (a JSON file); one of lines has no limit. */
  importLimitBytes: z
    .int()
    .min(1)
    .max(512 * MIB)
    .default(256 * MIB),
  /** How long events stay in the log, once they are relayed. */
  logRetentionMs: z
    .int()
    .min(0)
    .default(30 * 86_400_000),
  /** How long a request may take to arrive; an import may be long. */
  requestTimeoutMs: ms.default(3_600_000),
  /** How long a connection may be silent. */
  silenceTimeoutMs: ms.min(1).default(120_000),
  headersTimeoutMs: ms.min(1).default(10_000),
  /** How long a client's idle connection is kept. */
  keepAliveTimeoutMs: ms.default(60_000),
  /** Pause after which a stream of changes shows that it is alive. */
  heartbeatMs: ms.min(1).default(15_000),
  /** How long `close` waits for requests in flight. */
  graceMs: ms.default(10_000),
  /** Where spans go and which; without it nothing is recorded. */
  traces: TracingInput.optional(),
})
export type StoreOptions = z.infer<typeof StoreOptions>
export type StoreInput = z.input<typeof StoreOptions>

/** What `main.ts` reads. */
export const MainOptions = StoreOptions.extend({
  /** Where `{pid, port}` is written once the store accepts. */
  readyFile: z.string().min(1).optional(),
})
export type MainOptions = z.infer<typeof MainOptions>
