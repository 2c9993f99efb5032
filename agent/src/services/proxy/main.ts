/**
 * Entry of the proxy process. One argument: the path of a JSON file that holds `MainOptions`.
 *
 * Exit codes: 0 after SIGTERM or SIGINT; 78 if the options are wrong; 98 if an address is in use; 70 otherwise. What
 * went wrong is one JSON line on stderr.
 */
import { announceReady, closeOnSignals, readOptionsFile } from '../../host/index.ts'
import { MainOptions } from './options.ts'
import { createProxy } from './proxy.ts'

function fail(error: unknown): never {
  const { code, message } = error as NodeJS.ErrnoException
  process.stderr.write(`${JSON.stringify({ level: 'error', part: 'proxy', code, message })}\n`)
  process.exit(code === 'EADDRINUSE' ? 98 : code === 'BAD_OPTIONS' ? 78 : 70)
}

async function main(): Promise<void> {
  const { workers, readyFile, ...options } = await readOptionsFile(process.argv[2], MainOptions)
  // With one process it loads nothing that several need: 8 ms of its start.
  const several = workers > 1 ? await import('./control/cluster.ts') : undefined
  if (several?.isWorker() === true) return several.runWorker(options)
  const proxy = several === undefined ? await createProxy(options) : await several.createClusterProxy(workers, options)
  closeOnSignals(() => proxy.close(), fail)
  // Whoever watches it is gone.
  if (process.channel !== undefined) process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  const { host: address, port } = proxy.address
  await announceReady(readyFile, { port, address })
}

main().catch(fail)
