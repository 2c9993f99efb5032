/** The store's process: options from a file, one JSON line on stderr for each thing that happens. */
import { announceReady, closeOnSignals, readOptionsFile } from '../../host/index.ts'
import type { StoreEvent } from './events.ts'
import { MainOptions } from './options.ts'
import { createStore } from './store.ts'

const EXIT_CODES: Record<string, number> = { EADDRINUSE: 98, BAD_OPTIONS: 78, DATA_IN_USE: 75 }

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

/** @param threadEntry module of its threads */
export async function runStoreProcess(optionsFile: string | undefined, threadEntry: URL): Promise<void> {
  try {
    const { readyFile, ...options } = await readOptionsFile(optionsFile, MainOptions)
    const store = await createStore(options, { threadEntry, onEvent })
    closeOnSignals(() => store.close(), fail)
    await announceReady(readyFile, { port: store.port })
  } catch (error) {
    fail(error)
  }
}
