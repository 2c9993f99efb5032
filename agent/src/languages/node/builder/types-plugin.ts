/** Modules that are imported only for the metadata of decorators: one that exists only as types is empty. */
import type { Plugin } from 'esbuild'
import { TYPES_SUFFIX } from '../checker/index.ts'

const NAMESPACE = 'ryo-faas-types'

export function typesPlugin(): Plugin {
  return {
    name: NAMESPACE,
    setup(build) {
      build.onResolve({ filter: /\?ryo-faas-types$/ }, async ({ path, importer, resolveDir, kind }) => {
        const specifier = path.slice(0, -TYPES_SUFFIX.length)
        const found = await build.resolve(specifier, { kind, importer, resolveDir })
        if (found.errors.length > 0) return { path: specifier, namespace: NAMESPACE }
        const { path: real, external, namespace, sideEffects } = found
        return { path: real, external, namespace, sideEffects, pluginData: found.pluginData as unknown }
      })
      build.onLoad({ filter: /.*/, namespace: NAMESPACE }, () => ({ contents: 'module.exports = {}', loader: 'js' }))
    },
  }
}
