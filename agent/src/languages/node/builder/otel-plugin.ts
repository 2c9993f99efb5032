/**
 * Makes a function's `@opentelemetry/api` speak to the runtime: the first import of the package, by whomever, runs the
 * bridge. Done with the copy that the function itself brought, so that no two versions have to agree.
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
        // Not found, or left outside of the bundle: as with any other package.
        if (real.errors.length > 0 || real.external) return undefined
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
