/**
 * Imports `node:http` and `node:https` the cheap way. An `import` of them from an ES module makes Node read every
 * export, and one of them loads all of undici: half of the boot time of a small function, and 6 MiB. Through
 * `process.getBuiltinModule` (Node 20.16) only what is used is read.
 */
import type { Plugin } from 'esbuild'

const NAMESPACE = 'ryo-faas-http'

export function httpPlugin(): Plugin {
  return {
    name: NAMESPACE,
    setup(build) {
      build.onResolve({ filter: /^(node:)?https?$/ }, ({ path }) => ({
        path: path.replace(/^node:/, ''),
        namespace: NAMESPACE,
        sideEffects: false,
      }))
      build.onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path }) => ({
        contents: `module.exports = process.getBuiltinModule('node:${path}')`,
        loader: 'js',
      }))
    },
  }
}
