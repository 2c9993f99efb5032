/**
 * Makes `ryo-faas-<platform>.vsix`: bundles everything, lays out exactly what is shipped in a temporary folder, and
 * packs that. Nothing gets in that is not named here. Needs a built checkout (`npm run build`).
 *
 *   npm run package -w extension -- [platform] [folder to put it in]
 *
 *   dist/extension.cjs, dist/analysis-worker.mjs, dist/uninstall.mjs
 *   dist/agent/bundle/**        the agent's processes
 *   dist/node_modules/**        what they find as packages: natives, the compiler (once for all), declarations
 *   node_modules/ryo-faas-typescript-plugin   where the editor's TypeScript looks for it
 *   THIRD-PARTY-NOTICES.txt     the licences of all that is bundled or copied
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, mkdir, mkdtemp, readFile, readdir, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, extname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createVSIX } from '@vscode/vsce'
import { build, transform } from 'esbuild'
import { packagesOf, sourcesOf, thirdPartyNotices } from './third-party-notices.ts'

const run = promisify(execFile)
const extension = fileURLToPath(new URL('..', import.meta.url))
const root = resolve(extension, '..')
const BUNDLES = ['extension', 'analysis-worker', 'typescript-plugin', 'shipped-agent']
/** What the agent's bundle resolves as packages, each with what it depends on. */
const PACKAGES = ['esbuild', 'lmdb', 'prom-client', '@types/node']
const CODE = new Set(['.js', '.cjs', '.mjs', '.json', '.node'])
/** Bundles for browsers and for tests, next to those for Node. */
const NOT_FOR_NODE = /^test[.-]|\.min\.|-no-eval\b/
const NOT_SHIPPED = new Set(['node_modules', 'src', 'test', 'tests', 'docs', 'dependencies', 'benchmark', 'dict'])

interface PackageJson {
  version: string
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  [key: string]: unknown
}

const [target = `${process.platform}-${process.arch}`, folder = extension] = process.argv.slice(2)
const stage = await mkdtemp(join(tmpdir(), 'ryo-faas-vsix-'))
try {
  await bundle()
  await stageFiles()
  const manifest = await stageManifest()
  const file = join(folder, `ryo-faas-${target}-${manifest.version}.vsix`)
  await createVSIX({ cwd: stage, packagePath: file, target, allowMissingRepository: true, rewriteRelativeLinks: false })
  const [{ size }, binary] = [await stat(file), await compressedBinary()]
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`
  console.log(`${basename(file)}: ${mb(size)}, ${mb(size - binary)} of it without the esbuild binary`)
} finally {
  await rm(stage, { recursive: true, force: true })
}

async function bundle(): Promise<void> {
  const names = BUNDLES.flatMap(name => ['--config-name', name])
  await run(process.execPath, [join(root, 'node_modules', 'webpack', 'bin', 'webpack.js'), ...names], {
    cwd: root,
    maxBuffer: 64 * 1024 * 1024,
  })
}

async function stageFiles(): Promise<void> {
  for (const name of ['media', 'docs', 'schemas', 'README.md', 'CHANGELOG.md']) {
    await cp(join(extension, name), join(stage, name), { recursive: true })
  }
  await cp(join(root, 'LICENSE'), join(stage, 'LICENSE'))
  for (const name of ['extension.cjs', 'analysis-worker.mjs']) {
    await cp(join(extension, 'dist', name), join(stage, 'dist', name))
  }
  const uninstall = {
    entryPoints: [join(extension, 'src', 'uninstall.ts')],
    outfile: join(stage, 'dist', 'uninstall.mjs'),
  }
  await build({ ...uninstall, logLevel: 'error' })
  await stageAgent()
  await stagePlugin()
  await stageRuntime()
  const compiler = await stageCompiler()
  const copied = new Map<string, string>()
  for (const name of PACKAGES) await stagePackage(name, root, copied)
  await stageNotices([...compiler, ...[...copied.values()].map(folder => join(folder, 'package.json'))])
  const { version } = await readJson(join(root, 'agent', 'package.json'))
  const hash = await hashOf(['agent', 'node_modules'].map(name => join(stage, 'dist', name)))
  await writeJson(join(stage, 'dist', 'agent', 'package.json'), {
    name: 'ryo-faas',
    version,
    build: hash,
    type: 'module',
  })
}

/** Tells one packed agent from another of the same version: the extension keeps a copy of each that runs. */
async function hashOf(folders: string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const folder of folders) {
    const files = await readdir(folder, { recursive: true, withFileTypes: true })
    const paths = files.filter(file => file.isFile()).map(({ parentPath, name }) => join(parentPath, name))
    for (const path of paths.sort()) hash.update(`${relative(stage, path)}\0`).update(await readFile(path))
  }
  return hash.digest('hex').slice(0, 16)
}

/** Made small here: webpack's own way takes most of a minute for it. */
async function stageAgent(): Promise<void> {
  const from = join(extension, 'dist', 'agent', 'bundle')
  for (const name of await readdir(from, { recursive: true })) {
    if (!name.endsWith('.js') || name.startsWith('dashboard')) continue
    const options = { minify: true, keepNames: true, format: 'esm', target: 'node20', legalComments: 'none' } as const
    const { code } = await transform(await readFile(join(from, name), 'utf8'), options)
    const to = join(stage, 'dist', 'agent', 'bundle', name)
    await mkdir(dirname(to), { recursive: true })
    await writeFile(to, code)
  }
  await cp(join(from, 'dashboard'), join(stage, 'dist', 'agent', 'bundle', 'dashboard'), { recursive: true })
}

async function stagePlugin(): Promise<void> {
  const name = 'ryo-faas-typescript-plugin'
  const folder = join(stage, 'node_modules', name)
  await mkdir(folder, { recursive: true })
  await cp(join(extension, 'dist', 'typescript-plugin.cjs'), join(folder, 'index.cjs'))
  await writeJson(join(folder, 'package.json'), { name, version: '0.1.0', main: 'index.cjs' })
}

async function stageRuntime(): Promise<void> {
  const from = join(root, 'runtime')
  const to = join(stage, 'dist', 'node_modules', '@ryo-faas', 'runtime')
  const filter = (path: string) => !/\.map$|\.tsbuildinfo$|\.test\.(?:d\.ts|js)$|[\\/]testing(?:[\\/]|$)/.test(path)
  await cp(join(from, 'dist'), join(to, 'dist'), { recursive: true, filter })
  const { name, version, type, exports } = await readJson(join(from, 'package.json'))
  await writeJson(join(to, 'package.json'), { name, version, type, exports })
}

/** @param others files of what came without a source map */
async function stageNotices(others: string[]): Promise<void> {
  const dist = join(extension, 'dist')
  const maps = (await readdir(dist, { recursive: true })).filter(name => name.endsWith('.map'))
  const bundled = await Promise.all(maps.map(name => sourcesOf(join(dist, name))))
  const dashboard = await build({
    entryPoints: ['main.tsx', 'app.css'].map(name => join(root, 'agent', 'dashboard', name)),
    outdir: stage,
    bundle: true,
    write: false,
    metafile: true,
    jsx: 'automatic',
    jsxImportSource: 'preact',
    conditions: ['source'],
    absWorkingDir: root,
    logLevel: 'error',
  })
  const files = [...bundled.flat(), ...Object.keys(dashboard.metafile.inputs), ...others]
  // A copy of it is a file of ts-morph.
  const compiler = join(root, 'node_modules', 'typescript', 'package.json')
  const notices = await thirdPartyNotices(packagesOf([...files, compiler], root))
  await writeFile(join(stage, 'THIRD-PARTY-NOTICES.txt'), notices)
}

/**
 * ts-morph and the compiler in it as one small file, shared by the agent's checker and the editor's.
 * @returns the files in it
 */
async function stageCompiler(): Promise<string[]> {
  const folder = join(stage, 'dist', 'node_modules', 'ts-morph')
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
async function stagePackage(name: string, from: string, copied: Map<string, string>): Promise<void> {
  if (copied.has(name)) return
  const folder = await findPackage(name, from)
  if (folder === undefined) return // An optional one of another platform.
  copied.set(name, folder)
  const isTypes = name.startsWith('@types/') || name === 'undici-types'
  const to = join(stage, 'dist', 'node_modules', name)
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
    return CODE.has(extname(path)) || dirname(path).endsWith(join('@esbuild', target, 'bin'))
  }
  await cp(folder, to, { recursive: true, filter: wanted })
  const { dependencies = {}, optionalDependencies = {} } = await readJson(join(folder, 'package.json'))
  for (const next of Object.keys({ ...dependencies, ...optionalDependencies })) await stagePackage(next, folder, copied)
}

/** As Node looks for it, through the links of a workspace. */
async function findPackage(name: string, from: string): Promise<string | undefined> {
  for (let folder = await realpath(from); ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name)
    if (existsSync(join(candidate, 'package.json'))) return candidate
    if (folder === dirname(folder)) return undefined
  }
}

async function stageManifest(): Promise<PackageJson> {
  const {
    devDependencies: _,
    scripts,
    private: _private,
    ...manifest
  } = await readJson(join(extension, 'package.json'))
  // The packer takes `node_modules` along for what is named as a dependency, and only for that.
  const dependencies = { 'ryo-faas-typescript-plugin': '0.1.0' }
  // What the editor runs, not what developers do.
  const hooks = Object.entries((scripts ?? {}) as Record<string, string>).filter(([name]) => name.startsWith('vscode:'))
  await writeJson(join(stage, 'package.json'), { ...manifest, scripts: Object.fromEntries(hooks), dependencies })
  return manifest
}

/** What the binary takes of the archive. */
async function compressedBinary(): Promise<number> {
  const folder = join(stage, 'dist', 'node_modules', '@esbuild')
  const [platform] = await readdir(folder)
  const { gzipSync } = await import('node:zlib')
  return gzipSync(await readFile(join(folder, platform!, 'bin', 'esbuild'))).length
}

async function readJson(path: string): Promise<PackageJson> {
  return JSON.parse(await readFile(path, 'utf8')) as PackageJson
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, JSON.stringify(value, null, 2) + '\n')
}
