/**
 * Gives the code of each file the path it would have unbundled: `import.meta.url` and the like, `__dirname` and
 * `__filename` name the file below the app's folder, where the files it reads were copied. esbuild replaces
 * the expressions by names of ours (`PLACE_DEFINES`, so never inside strings, and not if the code declares its own
 * `__dirname`), and this plugin declares those names at the top of the files that use them, on the first line, so that
 * line numbers stay.
 */
import { readFile } from 'node:fs/promises'
import { dirname, extname, relative, resolve } from 'node:path'
import type { Loader, Plugin } from 'esbuild'
import { locatedModules } from './located-packages.ts'
import { placeInApp } from './plain-paths.ts'
import type { UserSettings } from './user-settings.ts'

const APP = '__ryoFaasApp'
const URL_NAME = '__ryoFaasUrl'
const FILE_NAME = '__ryoFaasFile'
const DIR_NAME = '__ryoFaasDir'

/** Starts every bundle: what bundled CommonJS needs in a module, and the path of the app. */
export const BUNDLE_HEAD = [
  `import { createRequire as __ryoFaasCreateRequire } from 'node:module'`,
  `import { dirname as __ryoFaasDirname } from 'node:path'`,
  `import { fileURLToPath as __ryoFaasPath } from 'node:url'`,
  `const require = __ryoFaasCreateRequire(import.meta.url)`,
  `const ${APP} = import.meta.url`,
].join('; ')

export const PLACE_DEFINES: Record<string, string> = {
  'import.meta.url': URL_NAME,
  'import.meta.filename': FILE_NAME,
  'import.meta.dirname': DIR_NAME,
  // The bundle is the main module, but no file in it is.
  'import.meta.main': 'false',
  __filename: FILE_NAME,
  __dirname: DIR_NAME,
}

const IN_PACKAGE = /[\\/]node_modules[\\/]/
const MENTIONS = /\b__(?:dirname|filename)\b|\bimport\s*\.\s*meta\b/
const REFERENCES = /\bnew\s+URL\(\s*(['"`])(\.{1,2}\/[^'"`$\n]+)\1\s*,\s*import\.meta\.url\s*\)/g

const LOADERS: Record<string, Loader> = {
  '.ts': 'ts',
  '.mts': 'ts',
  '.cts': 'ts',
  '.tsx': 'tsx',
  '.jsx': 'jsx',
  '.js': 'js',
  '.mjs': 'js',
  '.cjs': 'js',
}

export interface PlacesPluginOptions {
  packageDir: string
  settings: UserSettings
  /** Every file (absolute) that the code names by `new URL('./file', import.meta.url)`. */
  onReference(path: string): void
  /** Every module (absolute) that asks where it is: it may read files beside it. */
  onPlaced(path: string): void
  /** Every module that a file (absolute) looks for itself. */
  onLocated(specifier: string, importer: string): void
}

export function placesPlugin(options: PlacesPluginOptions): Plugin {
  const { packageDir, settings, onReference, onPlaced, onLocated } = options
  return {
    name: 'ryo-faas-places',
    setup(build) {
      build.onStart(() => settings.start())
      build.onLoad({ filter: /\.[cm]?[jt]sx?$/, namespace: 'file' }, async ({ path, pluginData }) => {
        if ((pluginData as { virtual?: boolean } | undefined)?.virtual) return undefined
        const code = await readFile(path, 'utf8')
        for (const specifier of locatedModules(code)) onLocated(specifier, path)
        const prepared = IN_PACKAGE.test(path) ? undefined : await settings.prepare(path, code)
        const loader = LOADERS[extname(path)] ?? 'js'
        if (!MENTIONS.test(code)) return prepared === undefined ? undefined : { contents: prepared, loader }
        onPlaced(path)
        for (const [, , reference] of code.matchAll(REFERENCES)) onReference(resolve(dirname(path), reference!))
        const place = placeInApp(relative(packageDir, path))
        return { contents: atTheTop(prepared ?? code, declarations(code, place)), loader }
      })
    },
  }
}

function declarations(code: string, place: string): string {
  const url = `new URL(${JSON.stringify(encodeURI(place).replace(/[?#]/g, encodeURIComponent))}, ${APP})`
  const names: string[] = []
  if (/\burl\b/.test(code)) names.push(`${URL_NAME} = ${url}.href`)
  if (/filename\b/.test(code)) names.push(`${FILE_NAME} = __ryoFaasPath(${url})`)
  if (/dirname\b/.test(code)) names.push(`${DIR_NAME} = __ryoFaasDirname(__ryoFaasPath(${url}))`)
  return names.length > 0 ? `const ${names.join(', ')}; ` : ''
}

/** A line `#!…` has to stay the first one. */
function atTheTop(code: string, prefix: string): string {
  if (!code.startsWith('#!')) return prefix + code
  const end = code.indexOf('\n') + 1
  return end === 0 ? code : code.slice(0, end) + prefix + code.slice(end)
}
