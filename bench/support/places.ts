/** Paths of what the benches run. */
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** Node 24, which functions run on; every Node peer runs on it too. */
export const functionNode = createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/bin/node`)
export const functionsFramework = fileURLToPath(
  new URL('main.js', `file://${createRequire(import.meta.url).resolve('@google-cloud/functions-framework')}`),
)
/** The proxy as shipped. */
export const proxyEntry = fileURLToPath(new URL('../../agent/dist/services/proxy/main.js', import.meta.url))
export const runtimeDir = fileURLToPath(new URL('../../runtime', import.meta.url))
