/**
 * Connects a function's `@opentelemetry/api` to the runtime: the first import of the package, from anywhere, runs the
 * bridge. It uses the function's own copy, so versions need not match.
 */
import type { Plugin } from 'esbuild'

const NAMESPACE = 'ryo-faas-otel'
const REAL = { ryoFaasReal: true }

export function otelPlugin(packageDir: string): Plugin {
  return {
    name: NAMESPACE,
    setup(build) {
      build.onResolve({ filter: /^@opentelemetry\/api$/ }, async ({ path, pluginData, importer, resolveDir }) => {
        if (pluginData === REAL) return undefined
        const real = await build.resolve(path, { kind: 'import-statement', importer, resolveDir, pluginData: REAL })
        // Not found, or left outside of the bundle: as for any other package.
        if (real.errors.length > 0 || real.external || real.namespace !== 'file') return undefined
        return { path: real.path, namespace: NAMESPACE }
      })
      build.onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path }) => ({
        contents: [
          `import * as api from ${JSON.stringify(path)}`,
          `import { bridgeOpenTelemetry } from '@ryo-faas/runtime/main'`,
          `bridgeOpenTelemetry(api)`,
          `export * from ${JSON.stringify(path)}`,
          `export { default } from ${JSON.stringify(path)}`,
        ].join('\n'),
        loader: 'js',
        resolveDir: packageDir,
      }))
    },
  }
}
