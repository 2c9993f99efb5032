/**
 * Makes what is published: `ryo-faas-<version>.tgz` and `ryo-faas-runtime-<version>.tgz`. Needs a built checkout.
 *
 *   npm run pack -- [folder to put them in]
 *
 *   bin/ryo-faas.js
 *   bundle/**                   the command line and the platform's processes
 *   node_modules/**             what they find as packages; npm installs them as they are, without their scripts
 *   ci/**                       a script and a GitHub Action that deploy in pipelines
 *   image/**                    a Dockerfile, a Compose file and a stack file for the platform in one container
 *   monitoring/**               rules and a dashboard for Prometheus and Grafana
 *   THIRD-PARTY-NOTICES.txt     the licences of all that is bundled or copied
 *
 * Only the native parts of esbuild and of LMDB are ordinary dependencies, one copy for each platform.
 */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { bundle, readJson, root, stageAgent, stageNotices, writeJson, type StagedAgent } from './shipped-agent.ts'

const agent = join(root, 'agent')
const PLATFORMS = ['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64', 'win32-arm64', 'win32-x64']
/** The name that a package of Node for one platform has. */
const NODES = {
  'darwin-x64': 'darwin-x64',
  'linux-arm64': 'linux-arm64',
  'linux-x64': 'linux-x64',
  'win32-x64': 'win-x64',
}
/** What npm reads from the manifest of a package, and developers do not need. */
const PUBLISHED = ['name', 'version', 'description', 'keywords', 'license', 'homepage', 'repository', 'bugs', 'type']

const folder = resolve(process.argv[2] ?? join(agent, 'out'))
const stage = await mkdtemp(join(tmpdir(), 'ryo-faas-package-'))
try {
  await bundle(['shipped-agent'])
  const staged = await stageAgent({ bundle: join(stage, 'bundle'), packages: stage })
  for (const name of ['bin', 'ci', 'image', 'monitoring', 'README.md']) {
    await cp(join(agent, name), join(stage, name), { recursive: true })
  }
  await cp(join(root, 'LICENSE'), join(stage, 'LICENSE'))
  await stageNotices(join(stage, 'THIRD-PARTY-NOTICES.txt'), staged.files)
  await writeJson(join(stage, 'package.json'), await manifest(staged))
  await installAsTheyAre(staged)
  await mkdir(folder, { recursive: true })
  for (const from of [stage, join(root, 'runtime')]) {
    const { stdout } = await promisify(execFile)('npm', [
      'pack',
      from,
      '--pack-destination',
      folder,
      '--ignore-scripts',
    ])
    console.log(join(folder, stdout.trim().split('\n').at(-1)!))
  }
} finally {
  await rm(stage, { recursive: true, force: true })
}

async function manifest({ packages }: StagedAgent): Promise<Record<string, unknown>> {
  const own = await readJson(join(agent, 'package.json'))
  return {
    ...Object.fromEntries(PUBLISHED.map(field => [field, own[field]])),
    engines: own['engines'],
    bin: own['bin'],
    files: ['bin', 'bundle', 'ci', 'image', 'monitoring', 'THIRD-PARTY-NOTICES.txt'],
    exports: { './package.json': './package.json' },
    dependencies: packages,
    bundleDependencies: Object.keys(packages),
    optionalDependencies: natives(packages),
    fetchedNode: await nodes(),
    publishConfig: { access: 'public' },
  }
}

/** The native parts must be of the very version of what loads them. */
function natives({ esbuild, lmdb }: StagedAgent['packages']): Record<string, string> {
  const each = (name: string, version = '') => PLATFORMS.map(platform => [`@${name}${platform}`, version])
  return Object.fromEntries([...each('esbuild/', esbuild), ...each('lmdb/lmdb-', lmdb)]) as Record<string, string>
}

/** Which Node is fetched at the first start, and what it must be: as locked for this checkout. */
async function nodes(): Promise<Record<string, unknown>> {
  const { packages } = await readJson(join(root, 'package-lock.json'))
  const locked = packages as Record<string, { version: string; integrity: string } | undefined>
  const found = Object.entries(NODES).flatMap(([platform, suffix]) => {
    const name = `node-${suffix}`
    const entry = locked[`node_modules/${name}`]
    return entry ? [[platform, { package: name, version: entry.version, integrity: entry.integrity }]] : []
  })
  return Object.fromEntries(found) as Record<string, unknown>
}

/** What is bundled needs nothing beyond what is there, and no script of it runs at an installation. */
async function installAsTheyAre({ packages }: StagedAgent): Promise<void> {
  for (const name of Object.keys(packages)) {
    const file = join(stage, 'node_modules', name, 'package.json')
    const { scripts: _, bin: _bin, engines: _engines, files: _files, ...rest } = await readJson(file)
    const without = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies']
    await writeJson(file, Object.fromEntries(Object.entries(rest).filter(([field]) => !without.includes(field))))
  }
}
