/**
 * Makes `ryo-faas-<platform>.vsix`: bundles everything, lays out exactly what is shipped in a temporary folder, and
 * packs that. Nothing gets in that is not named here. Needs a built checkout (`npm run build`).
 *
 *   npm run package -w extension -- [platform] [folder to put it in]
 *
 *   dist/extension.cjs, dist/config-tree.cjs, dist/analysis-worker.mjs, dist/uninstall.mjs
 *   dist/agent/bundle/**        the agent's processes
 *   dist/node_modules/**        what they find as packages: natives, the compiler (once for all), declarations
 *   node_modules/ryo-faas-typescript-plugin   where the editor's TypeScript looks for it
 *   THIRD-PARTY-NOTICES.txt     the licences of all that is bundled or copied
 */
import { createHash } from 'node:crypto'
import { cp, mkdir, mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createVSIX } from '@vscode/vsce'
import { build } from 'esbuild'
import {
  bundle,
  readJson,
  root,
  stageAgent,
  stageNotices,
  writeJson,
  type PackageJson,
} from '../../agent/scripts/shipped-agent.ts'

const extension = fileURLToPath(new URL('..', import.meta.url))
const ON_THE_WEB = 'https://github.com/ryo-faas/ryo-faas'
const BUNDLES = ['extension', 'analysis-worker', 'typescript-plugin', 'shipped-agent']

const [target = `${process.platform}-${process.arch}`, folder = extension] = process.argv.slice(2)
const stage = await mkdtemp(join(tmpdir(), 'ryo-faas-vsix-'))
try {
  await bundle(BUNDLES)
  await stageFiles()
  const manifest = await stageManifest()
  const file = join(folder, `ryo-faas-${target}-${manifest.version}.vsix`)
  await createVSIX({
    cwd: stage,
    packagePath: file,
    target,
    // The Marketplace shows the README on its own pages.
    baseContentUrl: `${ON_THE_WEB}/blob/main/extension`,
    baseImagesUrl: `${ON_THE_WEB}/raw/main/extension`,
  })
  const [{ size }, binary] = [await stat(file), await compressedBinary()]
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`
  console.log(`${basename(file)}: ${mb(size)}, ${mb(size - binary)} of it without the esbuild binary`)
} finally {
  await rm(stage, { recursive: true, force: true })
}

async function stageFiles(): Promise<void> {
  for (const name of ['media', 'docs', 'schemas', 'README.md', 'CHANGELOG.md']) {
    await cp(join(extension, name), join(stage, name), { recursive: true })
  }
  await cp(join(root, 'LICENSE'), join(stage, 'LICENSE'))
  for (const name of ['extension.cjs', 'config-tree.cjs', 'analysis-worker.mjs']) {
    await cp(join(extension, 'dist', name), join(stage, 'dist', name))
  }
  const uninstall = {
    entryPoints: [join(extension, 'src', 'uninstall.ts')],
    outfile: join(stage, 'dist', 'uninstall.mjs'),
  }
  await build({ ...uninstall, logLevel: 'error' })
  await stagePlugin()
  const dist = join(stage, 'dist')
  const { version, files } = await stageAgent({ bundle: join(dist, 'agent', 'bundle'), packages: dist, target })
  await stageNotices(join(stage, 'THIRD-PARTY-NOTICES.txt'), files)
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

async function stagePlugin(): Promise<void> {
  const name = 'ryo-faas-typescript-plugin'
  const folder = join(stage, 'node_modules', name)
  await mkdir(folder, { recursive: true })
  await cp(join(extension, 'dist', 'typescript-plugin.cjs'), join(folder, 'index.cjs'))
  await writeJson(join(folder, 'package.json'), { name, version: '0.1.0', main: 'index.cjs' })
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
