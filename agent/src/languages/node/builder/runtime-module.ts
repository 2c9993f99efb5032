/**
 * The platform's runtime as one file, which a bundle requires from beside itself: a process that waits for a function
 * has it loaded already. Whichever entry point user code imports, it gets this copy, so that `context()` and the server
 * around the handler share one `AsyncLocalStorage`. Its text does not tell where the agent is installed.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { RUNTIME_FILE, WHOLE_FOLDER } from '@ryo-faas/runtime/protocol'
import { build, type BuildOptions, type Plugin } from 'esbuild'
import { httpPlugin } from './http-plugin.ts'
import { plainPaths } from './plain-paths.ts'

const DOORS = /^@ryo-faas\/runtime(\/main|\/protocol|\/dialects)?$/
/** Before the name of a function of the runtime that is called before the next import of the entry is loaded. */
export const SETUP_DOOR = '@ryo-faas/runtime/setup/'
const SETUP = 'ryo-faas-setup'
/** What the runtime loads when it is asked for its metrics, beside it; made when the package is built, like the runtime. */
const METRICS_FILE = 'ryo-faas-metrics.cjs'
const NAMES_FILE = 'names.json'

export interface RuntimeModule {
  /** What goes beside a bundle, by name. */
  files: ReadonlyMap<string, string>
  /** What it exports. */
  names: string[]
}

/** @param runtimeDir folder of the package `@ryo-faas/runtime`, or of its compiled or source files */
export async function runtimeModule(runtimeDir: string): Promise<RuntimeModule> {
  const found = findRuntime(runtimeDir)
  const folder = join(found.dir, WHOLE_FOLDER)
  if (!existsSync(folder)) return bundleRuntime(found)
  const read = (name: string) => readFile(join(folder, name), 'utf8')
  const names = JSON.parse(await read(NAMES_FILE)) as string[]
  const files = [RUNTIME_FILE, METRICS_FILE].map(async name => [name, await read(name)] as const)
  return { files: new Map(await Promise.all(files)), names }
}

/** The files in `WHOLE_FOLDER` of a compiled package, by name. @param dir of its compiled files */
export async function runtimeFiles(dir: string): Promise<Record<string, string>> {
  const { files, names } = await bundleRuntime({ dir, extension: 'js' })
  return { ...Object.fromEntries(files), [NAMES_FILE]: JSON.stringify(names) }
}

async function bundleRuntime({ dir, extension }: FoundRuntime): Promise<RuntimeModule> {
  const doors = ['main', 'index', 'protocol/index', 'serve/dialects/index'].map(
    door => `export * from './${door}.${extension}'`,
  )
  const options: BuildOptions = {
    absWorkingDir: dir,
    stdin: { contents: doors.join('\n'), resolveDir: dir, sourcefile: 'runtime.js', loader: 'js' },
    minifySyntax: true,
    minifyWhitespace: true,
    plugins: [
      httpPlugin(),
      virtualModule({ filter: /^prom-client$/, contents: METRICS_DOOR, path: join(dir, 'prom-client.js') }),
    ],
  }
  const prometheus = createRequire(import.meta.url).resolve('prom-client')
  // Only of an ES module does esbuild say what it exports.
  const [module, required, metrics] = await Promise.all([
    bundleText({ ...options, format: 'esm' }),
    bundleText({ ...options, format: 'cjs' }),
    bundleText({ entryPoints: [prometheus], format: 'cjs', minify: true }),
  ])
  const files = new Map([
    [RUNTIME_FILE, plainPaths(required.text)],
    [METRICS_FILE, plainPaths(metrics.text)],
  ])
  return { files, names: module.names }
}

/** Of the function, wherever the runtime was loaded from. */
const METRICS_DOOR = `module.exports = require(require('node:path').resolve(process.argv[1], '../${METRICS_FILE}'))`

/** Resolves the module by all its names; no other path into the package exists. */
export function runtimePlugin(names: readonly string[], packageDir: string): Plugin {
  const contents = [
    `const runtime = require('./${RUNTIME_FILE}')`,
    `runtime.prepare()`,
    `export const { ${names.join(', ')} } = runtime`,
  ].join('\n')
  const path = join(packageDir, 'ryo-faas-runtime.js')
  const door = virtualModule({ filter: DOORS, contents, path })
  return {
    name: door.name,
    setup(build) {
      void door.setup(build)
      build.onResolve({ filter: new RegExp(`/${basenamePattern(RUNTIME_FILE)}$`) }, ({ path: required, importer }) =>
        importer === path ? { path: required, external: true } : undefined,
      )
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

async function bundleText(options: BuildOptions): Promise<{ text: string; names: string[] }> {
  const { outputFiles, metafile } = await build({
    bundle: true,
    write: false,
    metafile: true,
    outfile: 'bundle.js',
    platform: 'node',
    target: 'node20',
    legalComments: 'none',
    logLevel: 'silent',
    ...options,
  })
  return { text: outputFiles![0]!.text, names: Object.values(metafile!.outputs)[0]!.exports }
}

interface FoundRuntime {
  dir: string
  extension: 'js' | 'ts'
}

function findRuntime(runtimeDir: string): FoundRuntime {
  for (const dir of [runtimeDir, join(runtimeDir, 'dist'), join(runtimeDir, 'src')]) {
    for (const extension of ['js', 'ts'] as const) {
      if (existsSync(join(dir, `main.${extension}`))) return { dir, extension }
    }
  }
  throw new Error(`${runtimeDir} does not contain the package @ryo-faas/runtime, or it was not built`)
}
