/**
 * Installs the dependencies of a package that are in no `node_modules` in reach, as the lock file of its project says,
 * into a cache folder: the user's sources stay as they are, and the next build of the same lock file costs nothing.
 * The manager that wrote the lock file installs it.
 *
 * No code of a package runs on the host, and none of its settings can name a program: install scripts do not run, git
 * is refused (`npm-lock.ts`, `other-locks.ts`), and the manager gets our settings and environment (`npm-settings.ts`,
 * `package-managers.ts`). A package that needs more must be installed by the user, in the package folder.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { cp, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { RyoFaasError } from '../../../contract/index.ts'
import { readIfPresent } from '../../../host/index.ts'
import { InstalledPackages } from './installed-packages.ts'
import { INSTALL_COMMANDS, lockedProject, manifestDirOf, membersOf, type LockedProject } from './locked-project.ts'
import { findPackage, readManifest, type Manifest } from './node-packages.ts'
import { localPackages, type LocalPackages } from './npm-lock.ts'
import { literalSettings, userSettingsFile } from './npm-settings.ts'
import { otherLocalPackages } from './other-locks.ts'
import { managerRun, manifestFor, NO_GIT, pathOf, settingsFile, type ManagerRun } from './package-managers.ts'

const LAST_LINES = 15

export interface PackageInstallerOptions {
  cacheDir: string
  /** The program `npm`; the others are found on the path. */
  npmPath: string
  /** Environment of the agent; package managers get only what they need. */
  environment: NodeJS.ProcessEnv
}

/** What is installed, and with what. */
interface Installation {
  project: LockedProject
  /** Everything that the manager reads, by path relative to the project. */
  files: Map<string, string>
  /** From the project's `.npmrc`. */
  settings: ReturnType<typeof literalSettings>
  local: LocalPackages
}

export class PackageInstaller {
  readonly #options: PackageInstallerOptions
  readonly #running = new Map<string, Promise<string>>()
  readonly #children = new Set<ChildProcess>()

  constructor(options: PackageInstallerOptions) {
    this.#options = options
  }

  /**
   * Resolves to what was installed, or to nothing if there is nothing to install.
   * @param rootDir folder of deploy.json
   */
  async install(packageDir: string, rootDir = packageDir): Promise<InstalledPackages | undefined> {
    if (missingDependencies(manifestDirOf(packageDir, rootDir)).length === 0) return undefined
    const project = lockedProject(packageDir, rootDir)
    if (project === undefined) return undefined
    const installation = describe(project)
    const { files, local } = installation
    const hash = createHash('sha256').update(JSON.stringify([...files, process.platform, process.arch]))
    for (const path of local.copied) hash.update(await fingerprint(join(project.root, path)))
    const folder = join(this.#options.cacheDir, hash.digest('hex').slice(0, 32))
    if (!existsSync(folder)) {
      // Concurrent requests for one lock file (several functions of one package) share an installation.
      let running = this.#running.get(folder)
      if (!running) {
        running = this.#installInto(folder, installation).finally(() => this.#running.delete(folder))
        this.#running.set(folder, running)
      }
      await running
    }
    return new InstalledPackages(folder, realpathSync(project.root), local.linked)
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL')
  }

  async #installInto(folder: string, installation: Installation): Promise<string> {
    const { project, files, settings, local } = installation
    const unfinished = `${folder}.${randomUUID()}`
    try {
      await mkdir(unfinished, { recursive: true })
      for (const path of local.copied) {
        const from = join(project.root, path)
        if (!existsSync(from)) continue
        await mkdir(dirname(join(unfinished, path)), { recursive: true })
        await cp(from, join(unfinished, path), { recursive: true })
      }
      // Last, so that nothing local replaces them; npm would prefer a shrinkwrap to the lock that was read.
      await rm(join(unfinished, 'npm-shrinkwrap.json'), { force: true })
      for (const [path, text] of [...files, ['.npmrc', settings.text] as const]) {
        await rm(join(unfinished, path), { recursive: true, force: true })
        await mkdir(dirname(join(unfinished, path)), { recursive: true })
        await writeFile(join(unfinished, path), text, { mode: 0o600 })
      }
      await this.#runManager(unfinished, installation)
      await rm(join(unfinished, '.npmrc')) // Credentials must not stay.
      await rm(join(unfinished, '.yarnrc.yml'), { force: true })
      await rename(unfinished, folder)
    } catch (error) {
      await rm(unfinished, { recursive: true, force: true })
      throw error
    }
    return folder
  }

  async #runManager(cwd: string, { project, settings }: Installation): Promise<void> {
    const { npmPath, environment } = this.#options
    const { manager, root } = project
    const userFile = userSettingsFile(environment)
    const userSettings = (userFile !== undefined && (await readIfPresent(userFile))) || ''
    const run = managerRun(manager, { folder: cwd, npmPath, environment, userSettings })
    const failed = (why: string, { logs, cause, hint }: { logs?: string[]; cause?: unknown; hint?: string } = {}) =>
      new RyoFaasError('BUILD_FAILED', `The packages of ${root} could not be installed: ${why}`, {
        hint: `${leftOut(settings)}${hint ?? 'Run it yourself'}: cd ${root} && ${INSTALL_COMMANDS[manager]}`,
        ...(logs && { logs }),
        cause,
      })
    const start = async (args: string[]) => {
      try {
        return await this.#output({ ...run, args }, cwd)
      } catch (error) {
        throw failed(`${run.name} could not be started (${(error as Error).message})`, { cause: error })
      }
    }
    if (manager !== 'npm') {
      await mkdir(join(cwd, NO_GIT))
      await writeFile(join(cwd, NO_GIT, 'git'), '#!/bin/sh\nexit 1\n', { mode: 0o700 })
    }
    if (run.version) {
      const said = await this.#rightGeneration(run, cwd)
      if (said !== undefined) {
        throw failed(`${project.lockName} is not for the ${run.name} on the path (${said})`, {
          hint: run.version.hint,
        })
      }
    }
    const { lines, ending } = await start(run.args)
    if (ending !== 0) throw failed(`${run.name} exited with ${ending}`, { logs: lines })
    await rm(join(cwd, NO_GIT), { recursive: true, force: true })
  }

  /** Several generations may be on the path: takes the first that fits, or resolves to the version of one that does not. */
  async #rightGeneration(run: ManagerRun, cwd: string): Promise<string | undefined> {
    const candidates = (pathOf(run.env) ?? '').split(delimiter).map(folder => join(folder, run.program))
    let said = 'not found'
    for (const program of candidates) {
      if (!existsSync(program)) continue
      const { lines } = await this.#output({ ...run, program, args: ['--version'] }, cwd)
      said = lines.at(-1) ?? 'nothing'
      if (!run.version!.pattern.test(said)) continue
      run.program = program
      return undefined
    }
    return said
  }

  /** Its last lines, and its exit code or signal. */
  async #output({ program, args, env }: ManagerRun, cwd: string) {
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#children.add(child)
    const lines: string[] = []
    const keep = (chunk: string) => {
      lines.push(...chunk.split('\n').filter(Boolean))
      lines.splice(0, lines.length - LAST_LINES)
    }
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', keep)
    return new Promise<{ lines: string[]; ending: number | NodeJS.Signals | null }>((fulfil, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => fulfil({ lines, ending: signal ?? code }))
    }).finally(() => this.#children.delete(child))
  }
}

function describe(project: LockedProject): Installation {
  const { root, manager, lockName } = project
  const read = (path: string) => {
    const file = join(root, path)
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined
  }
  if (lockName === 'bun.lockb') {
    throw new RyoFaasError('BUILD_FAILED', `${join(root, lockName)} is a binary lock file, which only bun can read`, {
      hint: `Run: cd ${root} && bun install, or bun install --save-text-lockfile to deploy without node_modules`,
    })
  }
  const lock = read(lockName)!
  const settings = literalSettings(read('.npmrc') ?? '')
  const members = membersOf(root)
  const manifests = ['.', ...members].map(folder => join(folder, 'package.json'))
  const texts = new Map(manifests.map(path => [path, read(path) ?? '{}']))
  const local =
    manager === 'npm'
      ? localPackages(lock, root)
      : otherLocalPackages(
          lock,
          project,
          manifests.map(path => parsed(texts.get(path)!, join(root, path))),
        )
  const linked = [...new Set([...members, ...local.linked])].sort()
  // A folder of the project that is installed as a link: the manager wants to see its manifest.
  for (const folder of local.linked) texts.set(join(folder, 'package.json'), read(join(folder, 'package.json')) ?? '{}')
  const files = new Map<string, string>()
  for (const [path, text] of texts) files.set(path, manifestFor(manager, text))
  files.set(lockName, lock)
  const own = settingsFile(project, read)
  if (own) files.set(...own)
  return { project, files, settings, local: { copied: local.copied, linked } }
}

function parsed(text: string, file: string): Manifest {
  try {
    return JSON.parse(text) as Manifest
  } catch (error) {
    throw new RyoFaasError('BUILD_FAILED', `${file} is not valid JSON`, { cause: error })
  }
}

export function missingDependencies(packageDir: string): string[] {
  const names = Object.keys(readManifest(packageDir).dependencies ?? {})
  return names.filter(name => !name.startsWith('@ryo-faas/') && findPackage(name, packageDir) === undefined)
}

function leftOut({ needingEnvironment }: Installation['settings']): string {
  if (needingEnvironment.length === 0) return ''
  return `Its .npmrc takes ${needingEnvironment.join(', ')} from the environment, which a deployment does not pass to packages. `
}

async function fingerprint(path: string): Promise<string> {
  const status = await stat(path).catch(() => undefined)
  return status ? `${status.size} ${status.mtimeMs}` : 'absent'
}
