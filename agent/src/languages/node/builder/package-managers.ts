/**
 * How each package manager is run for an untrusted project. The invariants are those of `npm-settings.ts`: no program,
 * script, plugin or setting of the project has any say, beyond where its packages come from.
 */
import { delimiter, join } from 'node:path'
import { parse } from 'yaml'
import type { LockedProject, ManagerName } from './locked-project.ts'
import type { Manifest } from './node-packages.ts'
import { installArguments, installEnvironment } from './npm-settings.ts'

export interface ManagerRun {
  /** Its name for the user. */
  name: string
  program: string
  args: string[]
  env: NodeJS.ProcessEnv
  /** What `--version` must say: another generation of the program reads other lock files. */
  version?: { pattern: RegExp; hint: string } | undefined
}

const PROGRAMS: Record<Exclude<ManagerName, 'npm'>, string> = { pnpm: 'pnpm', yarn: 'yarn', berry: 'yarn', bun: 'bun' }

const ARGUMENTS: Record<Exclude<ManagerName, 'npm'>, string[]> = {
  pnpm: ['install', '--frozen-lockfile', '--prod', '--ignore-scripts', '--ignore-pnpmfile'],
  yarn: ['install', '--frozen-lockfile', '--production', '--ignore-scripts', '--no-bin-links', '--non-interactive'],
  berry: ['install', '--immutable', '--mode=skip-build'],
  bun: ['install', '--frozen-lockfile', '--production', '--ignore-scripts'],
}

const VERSIONS: Partial<Record<ManagerName, ManagerRun['version']>> = {
  yarn: { pattern: /^1\./, hint: 'Install Yarn 1 (npm install -g yarn), or run it yourself' },
  berry: {
    pattern: /^[4-9]\./,
    hint: 'Install Yarn 4 (npm install -g @yarnpkg/cli-dist), or write "nodeLinker: node-modules" into .yarnrc.yml and run it yourself',
  },
}

/** Folder with a program `git` that always fails, inside the folder of an installation. */
export const NO_GIT = '.no-git'

export function managerRun(
  manager: ManagerName,
  { folder, npmPath, environment, userSettings }: RunOptions,
): ManagerRun {
  const env = installEnvironment(environment, userSettings)
  if (manager === 'npm') return { name: 'npm', program: npmPath, args: installArguments(folder), env }
  const path = pathName(env)
  return {
    name: PROGRAMS[manager],
    program: PROGRAMS[manager],
    args: ARGUMENTS[manager],
    env: {
      ...env,
      // None of them can be told not to use git.
      [path]: `${join(folder, NO_GIT)}${delimiter}${env[path] ?? ''}`,
      // Otherwise the project would choose which release is fetched and run.
      npm_config_manage_package_manager_versions: 'false',
      YARN_IGNORE_PATH: '1',
      YARN_ENABLE_SCRIPTS: '0',
      YARN_ENABLE_TELEMETRY: '0',
      YARN_NODE_LINKER: 'node-modules',
      CI: 'true',
    },
    version: VERSIONS[manager],
  }
}

export function pathOf(env: NodeJS.ProcessEnv): string | undefined {
  return env[pathName(env)]
}

/** `Path` on Windows. */
function pathName(env: NodeJS.ProcessEnv): string {
  return Object.keys(env).find(name => name.toUpperCase() === 'PATH') ?? 'PATH'
}

interface RunOptions {
  folder: string
  npmPath: string
  environment: NodeJS.ProcessEnv
  /** Text of the user's own `.npmrc`. */
  userSettings: string
}

/** Fields of package.json that name programs, or that only matter when something runs. */
const LEFT_OUT = new Set(['scripts', 'packageManager', 'devEngines', 'engines', 'bin', 'directories'])

/** Their lock files do not say which of the dependencies are for development, or they do not insist on it. */
const MAY_MOVE: ReadonlySet<ManagerName> = new Set(['npm', 'yarn'])

/** A manifest as a manager gets it. */
export function manifestFor(manager: ManagerName, text: string): string {
  const harmless = manager === 'npm' ? text : harmlessManifest(text)
  return MAY_MOVE.has(manager) ? withTypes(harmless) : harmless
}

function harmlessManifest(text: string): string {
  const manifest = JSON.parse(text) as Record<string, unknown>
  return JSON.stringify(Object.fromEntries(Object.entries(manifest).filter(([key]) => !LEFT_OUT.has(key))))
}

/** What is for development is not installed, except the types of packages, which the checker reads. */
function withTypes(text: string): string {
  const manifest = asManifest(text)
  const types = Object.entries(manifest?.devDependencies ?? {}).filter(([name]) => name.startsWith('@types/'))
  if (types.length === 0) return text
  const { dependencies, devDependencies, ...rest } = manifest!
  const others = Object.entries(devDependencies!).filter(([name]) => !name.startsWith('@types/'))
  return JSON.stringify({
    ...rest,
    dependencies: { ...Object.fromEntries(types), ...dependencies },
    devDependencies: Object.fromEntries(others),
  })
}

/** Nothing if it cannot be read, which the manager then says. */
function asManifest(text: string): Manifest | null | undefined {
  try {
    return JSON.parse(text) as Manifest | null
  } catch {
    return undefined
  }
}

/** What pnpm's lock file depends on. */
const PNPM_SETTINGS = [
  'packages',
  'catalog',
  'catalogs',
  'overrides',
  'packageExtensions',
  'ignoredOptionalDependencies',
]

/** The manager's own settings file, as far as the project may decide. */
export function settingsFile(
  { manager }: Pick<LockedProject, 'manager'>,
  read: (name: string) => string | undefined,
): [name: string, text: string] | undefined {
  if (manager === 'pnpm') {
    const text = read('pnpm-workspace.yaml')
    if (text === undefined) return undefined
    const settings = (parse(text) ?? {}) as Record<string, unknown>
    const kept = PNPM_SETTINGS.filter(key => key in settings).map(key => [key, settings[key]] as const)
    return ['pnpm-workspace.yaml', JSON.stringify(Object.fromEntries(kept))]
  }
  if (manager === 'berry') {
    const settings = (parse(read('.yarnrc.yml') ?? '') ?? {}) as Record<string, unknown>
    return ['.yarnrc.yml', JSON.stringify(berrySettings(settings))]
  }
  return undefined
}

/** Values are written as JSON, so nothing in them is read as anything else; none may name a variable. */
function berrySettings(settings: Record<string, unknown>): Record<string, unknown> {
  const kept: Record<string, unknown> = { nodeLinker: 'node-modules', enableScripts: false, enableTelemetry: false }
  for (const key of ['npmRegistryServer', 'npmAuthToken', 'compressionLevel', 'npmScopes'] as const) {
    const value = settings[key]
    if (value !== undefined && !JSON.stringify(value).includes('${')) kept[key] = value
  }
  return kept
}
