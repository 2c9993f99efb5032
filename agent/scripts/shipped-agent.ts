/**
 * The agent as it is shipped, with the extension and as a package: bundled and minified, and next to it as packages what
 * cannot be bundled, each with what it depends on. Nothing gets in that is not named here. Needs a built checkout.
 */
import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, readdir, realpath, stat, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build, transform } from 'esbuild'
import { bundleQuickCli } from './bundle.js'
import { packagesOf, sourcesOf, thirdPartyNotices } from './third-party-notices.ts'

export const root = resolve(fileURLToPath(new URL('../..', import.meta.url)))
const bundled = join(root, 'extension', 'dist', 'agent', 'bundle')
/** What the agent's bundle resolves as packages. */
const PACKAGES = ['esbuild', 'lmdb', 'prom-client', '@types/node']
const CODE = new Set(['.js', '.cjs', '.mjs', '.json', '.node'])
/** Of what is in the runtime's own files. */
const SCHEDULES = join(root, 'node_modules', 'croner', 'package.json')
/** Bundles for browsers and for tests, next to those for Node. */
const NOT_FOR_NODE = /^test[.-]|\.min\.|-no-eval\b/
const NOT_SHIPPED = new Set(['node_modules', 'src', 'test', 'tests', 'docs', 'dependencies', 'benchmark', 'dict'])
/** Packages of which a copy for one platform exists each. */
const NATIVE = /^@(?:esbuild|lmdb|msgpackr-extract)\//

export interface PackageJson {
  name: string
  version: string
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  [key: string]: unknown
}

export interface Staging {
  /** Folder for the bundle. */
  bundle: string
  /** Folder that gets the `node_modules`. */
  packages: string
  /** `<platform>-<architecture>`: its native packages are copied; without it, none are. */
  target?: string
}

export interface StagedAgent {
  version: string
  /** Files of what is in it, for its notices; those in the bundles' source maps are not among them. */
  files: string[]
  /** The packages that were copied: name → version. */
  packages: Record<string, string>
}

/** Runs webpack. @param names of configurations */
export async function bundle(names: readonly string[]): Promise<void> {
  const args = names.flatMap(name => ['--config-name', name])
  await promisify(execFile)(process.execPath, [join(root, 'node_modules', 'webpack', 'bin', 'webpack.js'), ...args], {
    cwd: root,
    maxBuffer: 64 * 1024 * 1024,
  })
}

/** Needs `bundle(['shipped-agent'])`. */
export async function stageAgent(staging: Staging): Promise<StagedAgent> {
  await stageBundle(staging.bundle)
  const compiler = await stageCompiler(staging)
  const copied = new Map<string, string>()
  for (const name of PACKAGES) await stagePackage(name, root, { copied, ...staging })
  const manifests = [...copied.values()].map(folder => join(folder, 'package.json'))
  const packages: Record<string, string> = await stageRuntime(staging)
  for (const manifest of [...manifests, join(root, 'node_modules', 'ts-morph', 'package.json')]) {
    const { name, version } = await readJson(manifest)
    packages[name] = version
  }
  const { version } = await readJson(join(root, 'agent', 'package.json'))
  return { version, files: [...compiler, ...manifests, SCHEDULES], packages }
}

/** Made small here: webpack's own way takes most of a minute for it. */
async function stageBundle(folder: string): Promise<void> {
  for (const name of await readdir(bundled, { recursive: true })) {
    if (!name.endsWith('.js') || name.startsWith('dashboard')) continue
    const options = { minify: true, keepNames: true, format: 'esm', target: 'node20', legalComments: 'none' } as const
    const { code } = await transform(await readFile(join(bundled, name), 'utf8'), options)
    const to = join(folder, name)
    await mkdir(dirname(to), { recursive: true })
    await writeFile(to, code)
  }
  await bundleQuickCli(folder, { minify: true, keepNames: true })
  await cp(join(bundled, 'dashboard'), join(folder, 'dashboard'), { recursive: true })
}

async function stageRuntime({ packages }: Staging): Promise<Record<string, string>> {
  const from = join(root, 'runtime')
  const to = join(packages, 'node_modules', '@ryo-faas', 'runtime')
  const filter = (path: string) => !/\.map$|\.tsbuildinfo$|\.test\.(?:d\.ts|js)$|[\\/]testing(?:[\\/]|$)/.test(path)
  await cp(join(from, 'dist'), join(to, 'dist'), { recursive: true, filter })
  await cp(join(from, 'go'), join(to, 'go'), { recursive: true })
  const isSource = (path: string) => !path.includes('__pycache__')
  await cp(join(from, 'python'), join(to, 'python'), { recursive: true, filter: isSource })
  const { name, version, type, exports } = await readJson(join(from, 'package.json'))
  await writeJson(join(to, 'package.json'), { name, version, type, exports })
  return { [name]: version }
}

/**
 * The licences of everything that is shipped.
 * @param others files of what came without a source map
 */
export async function stageNotices(file: string, others: readonly string[]): Promise<void> {
  const dist = join(root, 'extension', 'dist')
  const maps = (await readdir(dist, { recursive: true })).filter(name => name.endsWith('.map'))
  const sources = await Promise.all(maps.map(name => sourcesOf(join(dist, name))))
  const dashboard = await build({
    entryPoints: ['main.tsx', 'app.css'].map(name => join(root, 'agent', 'dashboard', name)),
    outdir: dirname(file),
    bundle: true,
    write: false,
    metafile: true,
    jsx: 'automatic',
    jsxImportSource: 'preact',
    conditions: ['source'],
    absWorkingDir: root,
    logLevel: 'error',
  })
  const files = [...sources.flat(), ...Object.keys(dashboard.metafile.inputs), ...others]
  // A copy of it is a file of ts-morph.
  const compiler = join(root, 'node_modules', 'typescript', 'package.json')
  const notices = await thirdPartyNotices(packagesOf([...files, compiler], root))
  await writeFile(file, notices)
}

/**
 * ts-morph and the compiler in it as one small file, shared by the agent's checker and the editor's.
 * @returns the files in it
 */
async function stageCompiler({ packages }: Staging): Promise<string[]> {
  const folder = join(packages, 'node_modules', 'ts-morph')
  const { metafile } = await build({
    stdin: { contents: "module.exports = require('ts-morph')", resolveDir: root },
    outfile: join(folder, 'index.cjs'),
    bundle: true,
    minify: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    legalComments: 'none',
    logLevel: 'error',
    metafile: true,
    absWorkingDir: root,
  })
  // As `import { ts } from 'ts-morph'` finds it without the analysis of names that a minified file defeats.
  const names = Object.keys((await import('ts-morph')) as object).filter(
    name => /^\w+$/.test(name) && name !== 'default',
  )
  const facade = `import whole from './index.cjs'\nexport const { ${names.join(', ')} } = whole\nexport default whole\n`
  await writeFile(join(folder, 'index.mjs'), facade)
  const { version } = await readJson(join(root, 'node_modules', 'ts-morph', 'package.json'))
  const exports = { import: './index.mjs', require: './index.cjs' }
  await writeJson(join(folder, 'package.json'), { name: 'ts-morph', version, exports })
  return Object.keys(metafile.inputs)
}

/** @param copied name → where it was found */
async function stagePackage(
  name: string,
  from: string,
  { copied, ...staging }: Staging & { copied: Map<string, string> },
): Promise<void> {
  const { packages, target } = staging
  if (copied.has(name) || (target === undefined && NATIVE.test(name))) return
  const folder = await findPackage(name, from)
  if (folder === undefined) return // An optional one of another platform.
  copied.set(name, folder)
  const isTypes = name.startsWith('@types/') || name === 'undici-types'
  const to = join(packages, 'node_modules', name)
  const wanted = async (path: string): Promise<boolean> => {
    if ((await stat(path)).isDirectory()) {
      return path === folder || !(NOT_SHIPPED.has(basename(path)) || basename(path).startsWith('.'))
    }
    if (basename(path) === 'LICENSE' || basename(path) === 'package.json') return true
    if (isTypes) return path.endsWith('.d.ts')
    // One build of a native module: the one that every version of Node can load.
    if (path.endsWith('.node')) return !/\babi\d+\b|\bmusl\b/.test(basename(path))
    // esbuild's own `bin` may be the binary once more.
    if (name === 'esbuild') return path.endsWith(join('lib', 'main.js'))
    if (NOT_FOR_NODE.test(basename(path))) return false
    return CODE.has(extname(path)) || dirname(path).endsWith(join('@esbuild', String(target), 'bin'))
  }
  await cp(folder, to, { recursive: true, filter: wanted })
  const { dependencies = {}, optionalDependencies = {} } = await readJson(join(folder, 'package.json'))
  for (const next of Object.keys({ ...dependencies, ...optionalDependencies }))
    await stagePackage(next, folder, { copied, ...staging })
}

/** As Node looks for it, through the links of a workspace. */
async function findPackage(name: string, from: string): Promise<string | undefined> {
  for (let folder = await realpath(from); ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name)
    if (existsSync(join(candidate, 'package.json'))) return candidate
    if (folder === dirname(folder)) return undefined
  }
}

export async function readJson(path: string): Promise<PackageJson> {
  return JSON.parse(await readFile(path, 'utf8')) as PackageJson
}

export async function writeJson(path: string, value: unknown): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, JSON.stringify(value, null, 2) + '\n')
}
