/**
 * Installs the packages of an app, with the package manager it is for, once: what was installed is kept in a folder that
 * later runs copy from.
 */
import { execFile } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { App, Install } from './app.ts'

const run = promisify(execFile)
const KEPT = join(homedir(), '.cache', 'ryo-faas', 'apps')
const OURS = fileURLToPath(new URL('../../../node_modules', import.meta.url))

/** The package managers, as packages. */
const MANAGERS: Record<string, Record<string, string>> = {
  pnpm: { pnpm: '10' },
  yarn: { yarn: '1' },
  berry: { '@yarnpkg/cli-dist': '4' },
  bun: { bun: '1' },
}

/** Files that say what is installed. */
const DECIDES = /(?:^|\/)(?:package\.json|pnpm-workspace\.yaml|\.yarnrc\.yml|\.npmrc)$/

/** Puts `node_modules`, or what its manager makes in its place, and the lock file into the folder of the app. */
export async function installPackages(app: App, folder: string, files: Record<string, string>): Promise<void> {
  if (app.isSample === true) return linkOurs(folder)
  const { manager = 'npm', lockOnly = false, scripts = false } = app.install ?? {}
  const deciding = Object.entries(files).filter(([path]) => DECIDES.test(path))
  if (!deciding.some(([, text]) => text.includes('ependencies"'))) return
  const from = await kept(JSON.stringify([manager, scripts, lockOnly, deciding]), async made => {
    await writeFiles(made, Object.fromEntries(deciding))
    // Only locked: what a registry has is resolved, and nothing stays.
    await install(made, { manager, scripts })
    if (lockOnly) await removeInstalled(made)
  })
  await copyTree(from, folder)
}

/** What a checkout of this repository has installed anyway. */
async function linkOurs(folder: string): Promise<void> {
  await symlink(OURS, join(folder, 'node_modules'))
}

/** Folders with the programs of all package managers, for a `PATH`. */
export async function managersPath(): Promise<string> {
  const folders = await Promise.all(Object.keys(MANAGERS).map(name => managerFolder(name)))
  return folders.map(folder => join(folder, 'node_modules', '.bin')).join(delimiter)
}

export async function writeFiles(folder: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
}

async function install(folder: string, { manager, scripts }: Required<Omit<Install, 'lockOnly'>>): Promise<void> {
  const bin = async (program: string) => join(await managerFolder(manager), 'node_modules', '.bin', program)
  const ignored = scripts ? [] : ['--ignore-scripts']
  switch (manager) {
    case 'npm':
      return execute('npm', ['install', '--no-audit', '--no-fund', ...ignored], folder)
    case 'pnpm':
      return execute(await bin('pnpm'), ['install', '--no-frozen-lockfile', ...ignored], folder)
    case 'yarn':
      return execute(await bin('yarn'), ['install', '--non-interactive', ...ignored], folder)
    case 'berry':
      return execute(await bin('yarn'), ['install', '--no-immutable'], folder)
    case 'bun':
      return execute(await bin('bun'), ['install', ...ignored], folder)
  }
}

export async function execute(program: string, args: string[], cwd: string): Promise<void> {
  const env = {
    ...process.env,
    PATH: usersPath(),
    // Compiled here: ready-made machine code would come from elsewhere than the registry.
    npm_config_build_from_source: 'true',
    YARN_ENABLE_SCRIPTS: 'false',
    YARN_ENABLE_TELEMETRY: 'false',
    CHECKPOINT_DISABLE: '1',
    // Prisma's generator fetches a program from elsewhere, which it does not need.
    PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true',
    CI: '',
  }
  try {
    await run(program, args, { cwd, env, maxBuffer: 64 * 1024 * 1024 })
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(`${program} ${args.join(' ')} failed in ${cwd}\n${stdout}${stderr}`, { cause: error })
  }
}

/** Without the programs of this repository: npm puts its Node first, where a user has another one. */
export function usersPath(): string {
  const isOurs = (folder: string) => folder.startsWith(dirname(OURS)) || folder.includes(`node_modules${sep}`)
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter(folder => !isOurs(folder))
    .join(delimiter)
}

/** Where the user's shell would find it. */
export function programOf(name: string): string {
  const places = usersPath()
    .split(delimiter)
    .map(folder => join(folder, name))
  return places.find(place => existsSync(place)) ?? name
}

function managerFolder(manager: string): Promise<string> {
  const dependencies = MANAGERS[manager]!
  return kept(JSON.stringify(dependencies), async made => {
    await writeFile(join(made, 'package.json'), JSON.stringify({ private: true, dependencies }))
    // The script of bun puts its program in place.
    await execute('npm', ['install', '--no-audit', '--no-fund'], made)
  })
}

/** The folder that `make` filled, now or in an earlier run. */
async function kept(key: string, make: (folder: string) => Promise<void>): Promise<string> {
  const facts = [key, process.platform, process.arch, process.versions.modules]
  const folder = join(KEPT, createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 24))
  if (existsSync(folder)) return folder
  const unfinished = `${folder}.${randomUUID().slice(0, 8)}`
  try {
    await mkdir(unfinished, { recursive: true })
    await make(unfinished)
    await rename(unfinished, folder)
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    // Another run may have been faster.
    if (!existsSync(folder)) throw error
  }
  return folder
}

const INSTALLED = /^(?:node_modules|\.pnp\..*|\.yarn|\.pnpm-store)$/

async function removeInstalled(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (INSTALLED.test(entry.name)) await rm(path, { recursive: true })
    else if (entry.isDirectory()) await removeInstalled(path)
  }
}

/** Files are linked, not copied, where the system's program can. */
async function copyTree(from: string, to: string): Promise<void> {
  try {
    await run('cp', ['-al', `${from}/.`, to])
  } catch {
    await cp(from, to, { recursive: true, verbatimSymlinks: true })
  }
}
