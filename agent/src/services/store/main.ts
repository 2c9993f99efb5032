/**
 * Entry of the store process. One argument: the path of a JSON file that holds `MainOptions`.
 *
 * Exit codes: 0 after SIGTERM or SIGINT; 78 if the options are wrong; 98 if an address is in use; 75 if another process
 * has the data; 69 if the database cannot be used; 70 otherwise. What happens is one JSON line each on stderr.
 */
import { announceReady, closeOnSignals, readOptionsFile } from '../../host/index.ts'
import type { StoreEvent } from './events.ts'
import { MainOptions } from './options.ts'
import { createStore } from './store.ts'

const EXIT_CODES: Record<string, number> = { EADDRINUSE: 98, BAD_OPTIONS: 78, DATA_IN_USE: 75, BAD_DATABASE: 69 }

function write(line: object): void {
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), part: 'store', ...line })}\n`)
}

function fail(error: unknown): never {
  const { code, message } = error as NodeJS.ErrnoException
  write({ level: 'error', code, message })
  process.exit(EXIT_CODES[code ?? ''] ?? 70)
}

function onEvent(event: StoreEvent): void {
  if (event.type === 'failed') fail(new Error(event.message))
  write({ level: event.type === 'error' ? 'error' : 'info', ...event })
}

async function main(): Promise<void> {
  const { readyFile, ...options } = await readOptionsFile(process.argv[2], MainOptions)
  const threadEntry = new URL(import.meta.url.replace(/main(\.[jt]s)$/, 'thread-main$1'))
  const store = await createStore(options, { threadEntry, onEvent })
  closeOnSignals(() => store.close(), fail)
  await announceReady(readyFile, { port: store.port })
}

main().catch(fail)
