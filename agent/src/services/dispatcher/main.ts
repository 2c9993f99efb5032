/**
 * Entry of a dispatcher process. One argument: the path of a JSON file that holds `MainOptions`.
 *
 * Exit codes: 0 after SIGTERM or SIGINT; 78 if the options are wrong; 98 if the address of the metrics is in use; 70
 * otherwise. What happens is one JSON line each on stderr.
 */
import { announceReady, closeOnSignals, readOptionsFile } from '../../host/index.ts'
import { createDispatcher } from './dispatcher.ts'
import type { DispatcherEvent } from './events.ts'
import { MainOptions } from './options.ts'

function write(line: object): void {
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), part: 'dispatcher', ...line })}\n`)
}

function writeEvent(event: DispatcherEvent): void {
  const isNews = event.type === 'connected' || event.type === 'functions'
  write({ level: isNews ? 'info' : 'warn', ...event })
}

function fail(error: unknown): never {
  const { code, message } = error as NodeJS.ErrnoException
  write({ level: 'error', code, message })
  process.exit(code === 'EADDRINUSE' ? 98 : code === 'BAD_OPTIONS' ? 78 : 70)
}

async function main(): Promise<void> {
  const { readyFile, ...options } = await readOptionsFile(process.argv[2], MainOptions)
  const dispatcher = await createDispatcher(options, writeEvent)
  closeOnSignals(() => dispatcher.close(), fail)
  await announceReady(readyFile, { port: dispatcher.port })
}

main().catch(fail)
