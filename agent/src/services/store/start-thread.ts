/** Starts a thread of the store, also from a module that is not built yet. */
import { Worker, type WorkerOptions } from 'node:worker_threads'

/**
 * TypeScript needs a loader, which threads do not inherit everywhere: it is registered first, by a module made up for
 * that.
 */
export function startThread(entry: URL, options: WorkerOptions): Worker {
  if (!entry.pathname.endsWith('.ts')) return new Worker(entry, options)
  const loader = import.meta.resolve('tsx/esm/api')
  const code = `import { register } from ${JSON.stringify(loader)}; register(); await import(${JSON.stringify(entry.href)})`
  const module = new URL(`data:text/javascript,${encodeURIComponent(code)}`)
  return new Worker(module, { ...options, execArgv: ['--conditions=source'] })
}
