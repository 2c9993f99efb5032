/**
 * The platform's runtime as one module. Whichever entry point user code imports, it gets this copy, so that
 * `context()` and the server around the handler share one `AsyncLocalStorage`. It is bundled once per agent, with
 * paths that do not tell where the agent is installed.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { build, type BuildOptions, type Plugin } from 'esbuild'
import { httpPlugin } from './http-plugin.ts'
import { plainPaths } from './plain-paths.ts'

const DOORS = /^@ryo-faas\/runtime(\/main|\/protocol|\/dialects)?$/
/** Before the name of a function of the runtime that is called before the next import of the entry is loaded. */
export const SETUP_DOOR = '@ryo-faas/runtime/setup/'
const SETUP = 'ryo-faas-setup'
/**
 * Keeps the module out of the bundle's source map, which saves memory in every function: its own map
 * covers only its first line, which is left empty.
 */
const NO_MAP = `//# sourceMappingURL=data:application/json;base64,${Buffer.from('{"version":3,"sources":[""],"mappings":"AAAA"}').toString('base64')}`

/**
 * Resolves to the text of the module.
 * @param runtimeDir folder of the package `@ryo-faas/runtime`, or of its compiled or source files
 */
export async function bundleRuntime(runtimeDir: string): Promise<string> {
  const { dir, extension } = findRuntime(runtimeDir)
  // The runtime loads it lazily, so it is minified: nobody reads its stack traces.
  const metrics = await bundleText({
    entryPoints: [createRequire(import.meta.url).resolve('prom-client')],
    format: 'cjs',
    minify: true,
  })
  const doors = ['main', 'index', 'protocol/index', 'serve/dialects/index'].map(
    door => `export * from './${door}.${extension}'`,
  )
  const text = await bundleText({
    absWorkingDir: dir,
    stdin: { contents: doors.join('\n'), resolveDir: dir, sourcefile: 'runtime.js', loader: 'js' },
    format: 'esm',
    minifySyntax: true,
    minifyWhitespace: true,
    plugins: [
      httpPlugin(),
      virtualModule({ filter: /^prom-client$/, contents: metrics, path: join(dir, 'prom-client.js') }),
    ],
  })
  return `\n${plainPaths(text)}${NO_MAP}\n`
}

/** Resolves the module by all its names; no other path into the package exists. */
export function runtimePlugin(contents: string, packageDir: string): Plugin {
  const runtime = virtualModule({ filter: DOORS, contents, path: join(packageDir, 'ryo-faas-runtime.js') })
  return {
    name: runtime.name,
    setup(build) {
      void runtime.setup(build)
      build.onResolve({ filter: new RegExp(`^${SETUP_DOOR}`) }, ({ path }) => ({
        path: path.slice(SETUP_DOOR.length),
        namespace: SETUP,
      }))
      build.onLoad({ filter: /.*/, namespace: SETUP }, ({ path }) => ({
        contents: `import { ${path} } from '@ryo-faas/runtime/dialects'\n${path}()`,
        loader: 'js',
      }))
    },
  }
}

/** A module without a file; stack traces would show this path. */
function virtualModule({ filter, contents, path }: { filter: RegExp; contents: string; path: string }): Plugin {
  return {
    name: 'ryo-faas-virtual-module',
    setup(build) {
      const marker = { virtual: path }
      build.onResolve({ filter }, () => ({ path, pluginData: marker, sideEffects: true }))
      build.onLoad({ filter: new RegExp(`${basenamePattern(path)}$`) }, ({ pluginData }) =>
        pluginData === marker ? { contents, loader: 'js', resolveDir: '/' } : undefined,
      )
    },
  }
}

function basenamePattern(path: string): string {
  return path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1).replaceAll('.', '\\.')
}

async function bundleText(options: BuildOptions): Promise<string> {
  const { outputFiles } = await build({
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node20',
    legalComments: 'none',
    logLevel: 'silent',
    ...options,
  })
  return outputFiles![0]!.text
}

function findRuntime(runtimeDir: string): { dir: string; extension: 'js' | 'ts' } {
  for (const dir of [runtimeDir, join(runtimeDir, 'dist'), join(runtimeDir, 'src')]) {
    for (const extension of ['js', 'ts'] as const) {
      if (existsSync(join(dir, `main.${extension}`))) return { dir, extension }
    }
  }
  throw new Error(`${runtimeDir} does not contain the package @ryo-faas/runtime, or it was not built`)
}
