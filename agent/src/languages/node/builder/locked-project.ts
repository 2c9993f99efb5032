/**
 * The project that a package belongs to: its lock file, the manager that wrote it, and the members of its workspace.
 * Looked for from the package upwards, to the folder that declares workspaces, the repository, or the folder of
 * deploy.json; never further.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, isAbsolute, join, relative, sep } from 'node:path'
import { globSync } from 'tinyglobby'
import { parse } from 'yaml'
import { readManifest } from './node-packages.ts'

export type ManagerName = 'npm' | 'pnpm' | 'yarn' | 'berry' | 'bun'

export interface LockedProject {
  /** Folder of the lock file. */
  root: string
  manager: ManagerName
  /** Name of the lock file. */
  lockName: string
  /** Folder of the package.json that counts for the package. */
  manifestDir: string
}

/** The lock files in the order of preference. */
const LOCKS: readonly (readonly [string, ManagerName])[] = [
  ['pnpm-lock.yaml', 'pnpm'],
  ['bun.lock', 'bun'],
  ['bun.lockb', 'bun'],
  ['yarn.lock', 'yarn'],
  ['package-lock.json', 'npm'],
]

/** What installs all packages of a project, as a user types it. */
export const INSTALL_COMMANDS: Record<ManagerName, string> = {
  npm: 'npm ci',
  pnpm: 'pnpm install',
  yarn: 'yarn install',
  berry: 'yarn install',
  bun: 'bun install',
}

/** What adds a package. */
const ADD_COMMANDS: Record<ManagerName, string> = {
  npm: 'npm install',
  pnpm: 'pnpm add',
  yarn: 'yarn add',
  berry: 'yarn add',
  bun: 'bun add',
}

/** The nearest folder that declares workspaces, else the repository, else the folder of deploy.json. */
export function workspaceRootOf(rootDir: string): string {
  const above = [rootDir]
  for (let dir = rootDir; dirname(dir) !== dir; dir = dirname(dir)) above.push(dirname(dir))
  return (
    above.find(dir => existsSync(join(dir, 'pnpm-workspace.yaml')) || readManifest(dir).workspaces !== undefined) ??
    above.find(dir => existsSync(join(dir, '.git'))) ??
    rootDir
  )
}

/** The folder whose package.json counts for the package: its own or the nearest above, inside the project. */
export function manifestDirOf(packageDir: string, rootDir: string): string {
  return upwards(packageDir, workspaceRootOf(rootDir), dir => existsSync(join(dir, 'package.json'))) ?? packageDir
}

/** Nothing if nothing is locked. */
export function lockedProject(packageDir: string, rootDir: string): LockedProject | undefined {
  const manifestDir = manifestDirOf(packageDir, rootDir)
  const isLocked = (dir: string) => LOCKS.some(([name]) => existsSync(join(dir, name)))
  const root = upwards(manifestDir, workspaceRootOf(rootDir), isLocked)
  if (root === undefined) return undefined
  const [lockName, manager] = LOCKS.find(([name]) => existsSync(join(root, name)))!
  const isBerry = manager === 'yarn' && /^__metadata:/m.test(readFileSync(join(root, lockName), 'utf8'))
  return { root, manager: isBerry ? 'berry' : manager, lockName, manifestDir }
}

/** Folders of the workspace's packages, relative to its root, with `/`. */
export function membersOf(root: string): string[] {
  const patterns = [...workspacePatterns(readManifest(root).workspaces), ...pnpmPatterns(root)]
  const included = patterns.filter(pattern => !pattern.startsWith('!'))
  if (included.length === 0) return []
  const found = globSync(
    included.map(pattern => manifestPattern(pattern)),
    {
      cwd: root,
      ignore: [
        '**/node_modules/**',
        ...patterns.filter(one => one.startsWith('!')).map(one => manifestPattern(one.slice(1))),
      ],
      expandDirectories: false,
      followSymbolicLinks: false,
    },
  )
  return found
    .map(path => dirname(path).split(sep).join('/'))
    .filter(member => member !== '.' && isWithin(root, member))
    .sort()
}

/**
 * The command that gets a missing package.
 * @param name the package that was not found
 */
export function installHint(name: string, packageDir: string, rootDir: string): string {
  const project = lockedProject(packageDir, rootDir)
  const manifestDir = project?.manifestDir ?? manifestDirOf(packageDir, rootDir)
  const { dependencies, devDependencies } = readManifest(manifestDir)
  const manager = project?.manager ?? 'npm'
  const root = project?.root ?? workspaceRootOf(rootDir)
  const members = membersOf(root)
  const isDeclared = name in { ...dependencies, ...devDependencies }
  // No registry has a member of the workspace, or it has somebody else's.
  const isMember = members.some(member => readManifest(join(root, member)).name === name)
  const command = `cd ${isMember ? root : (project?.root ?? manifestDir)} && ${manager === 'npm' ? 'npm install' : INSTALL_COMMANDS[manager]}`
  if (isMember && !isDeclared) {
    const version = manager === 'npm' || manager === 'yarn' ? '*' : 'workspace:*'
    return `Add "${name}": "${version}" to the dependencies in ${join(manifestDir, 'package.json')} and run: ${command}`
  }
  if (isDeclared) return `Run: ${command}`
  return `Run: cd ${manifestDir} && ${ADD_COMMANDS[manager]} ${name}`
}

/** Whether a relative path stays inside a folder, also after symbolic links. */
export function isWithin(root: string, path: string): boolean {
  const inside = (place: string) =>
    place !== '' && place !== '..' && !place.startsWith(`..${sep}`) && !isAbsolute(place)
  const source = join(root, path)
  if (!inside(relative(root, source))) return false
  return !existsSync(source) || inside(relative(realpathSync(root), realpathSync(source)))
}

function upwards(from: string, bound: string, isRight: (dir: string) => boolean): string | undefined {
  for (let dir = from; ; dir = dirname(dir)) {
    if (isRight(dir)) return dir
    if (dir === bound || dirname(dir) === dir) return undefined
  }
}

function workspacePatterns(workspaces: unknown): string[] {
  const patterns =
    typeof workspaces === 'object' && workspaces !== null && 'packages' in workspaces ? workspaces.packages : workspaces
  return Array.isArray(patterns) ? patterns.filter(pattern => typeof pattern === 'string') : []
}

function pnpmPatterns(root: string): string[] {
  const file = join(root, 'pnpm-workspace.yaml')
  if (!existsSync(file)) return []
  return workspacePatterns(parse(readFileSync(file, 'utf8')))
}

function manifestPattern(pattern: string): string {
  return `${pattern.replace(/^\.\//, '').replace(/\/+$/, '')}/package.json`
}
