/**
 * Installs the dependencies of a package that are in no `node_modules` in reach, as its lock file says,
 * into a cache folder: the user's sources stay as they are, and the next build of the same lock file costs nothing.
 *
 * No code of a package runs on the host, and none of its settings can name a program: install scripts do not run, git
 * is refused (`npm-lock.ts`), and npm gets our settings and environment (`npm-settings.ts`). A package that needs more
 * must be installed by the user, in the package folder.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { cp, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { RyoFaasError } from '../../../contract/index.ts'
import { readIfPresent } from '../../../host/index.ts'
import { findPackage, readManifest } from './node-packages.ts'
import { LOCK, localPackages } from './npm-lock.ts'
import { installArguments, installEnvironment, literalSettings, userSettingsFile } from './npm-settings.ts'

const LAST_LINES = 15

export interface NpmInstallerOptions {
  cacheDir: string
  /** The program `npm`. */
  npmPath: string
  /** Environment of the agent; npm gets only what it needs. */
  environment: NodeJS.ProcessEnv
}

/** What is installed, and with what. */
interface Installation {
  packageDir: string
  manifest: string
  lock: string
  /** From the package's `.npmrc`. */
  settings: ReturnType<typeof literalSettings>
  /** Tarballs and folders, relative to the package. */
  local: string[]
}

export class NpmInstaller {
  readonly #options: NpmInstallerOptions
  readonly #running = new Map<string, Promise<string>>()
  readonly #children = new Set<ChildProcess>()

  constructor(options: NpmInstallerOptions) {
    this.#options = options
  }

  /** Resolves to the folder with the package's `node_modules`, or to nothing if there is nothing to install. */
  async install(packageDir: string): Promise<string | undefined> {
    const missing = missingDependencies(packageDir)
    if (missing.length === 0 || !existsSync(join(packageDir, LOCK))) return undefined
    const read = (name: string) => readFile(join(packageDir, name), 'utf8')
    const [manifest, lock] = await Promise.all([read('package.json'), read(LOCK)])
    const settings = literalSettings((await readIfPresent(join(packageDir, '.npmrc'))) ?? '')
    const local = localPackages(lock, packageDir)
    const hash = createHash('sha256').update(JSON.stringify([manifest, lock, process.platform, process.arch]))
    for (const path of local) hash.update(await fingerprint(join(packageDir, path)))
    const folder = join(this.#options.cacheDir, hash.digest('hex').slice(0, 32))
    if (existsSync(folder)) return folder
    // Concurrent requests for one lock file (several functions of one package) share an installation.
    let running = this.#running.get(folder)
    if (!running) {
      const installation = { packageDir, manifest, lock, settings, local }
      running = this.#installInto(folder, installation).finally(() => this.#running.delete(folder))
      this.#running.set(folder, running)
    }
    return running
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL')
  }

  async #installInto(folder: string, installation: Installation): Promise<string> {
    const { packageDir, manifest, lock, settings, local } = installation
    const unfinished = `${folder}.${randomUUID()}`
    try {
      await mkdir(unfinished, { recursive: true })
      for (const path of local) {
        const from = join(packageDir, path)
        if (!existsSync(from)) continue
        await mkdir(dirname(join(unfinished, path)), { recursive: true })
        await cp(from, join(unfinished, path), { recursive: true })
      }
      // Last, so that nothing local replaces them; npm would prefer a shrinkwrap to the lock that was read.
      await rm(join(unfinished, 'npm-shrinkwrap.json'), { force: true })
      for (const [name, text] of [
        ['package.json', manifest],
        [LOCK, lock],
        ['.npmrc', settings.text],
      ] as const) {
        await rm(join(unfinished, name), { recursive: true, force: true })
        await writeFile(join(unfinished, name), text, { mode: 0o600 })
      }
      await this.#npmCi(unfinished, installation)
      await rm(join(unfinished, '.npmrc')) // Credentials must not stay.
      await rename(unfinished, folder)
    } catch (error) {
      await rm(unfinished, { recursive: true, force: true })
      throw error
    }
    return folder
  }

  async #npmCi(cwd: string, { packageDir, settings }: Installation): Promise<void> {
    const { npmPath, environment } = this.#options
    const userFile = userSettingsFile(environment)
    const userSettings = (userFile !== undefined && (await readIfPresent(userFile))) || ''
    const env = installEnvironment(environment, userSettings)
    const child = spawn(npmPath, installArguments(cwd), { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#children.add(child)
    const lines: string[] = []
    const keep = (chunk: string) => {
      lines.push(...chunk.split('\n').filter(Boolean))
      lines.splice(0, lines.length - LAST_LINES)
    }
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', keep)
    const failed = (why: string, cause?: unknown) =>
      new RyoFaasError('BUILD_FAILED', `The packages of ${packageDir} could not be installed: ${why}`, {
        hint: `${leftOut(settings)}Run it yourself: cd ${packageDir} && npm ci`,
        logs: lines,
        cause,
      })
    await new Promise<void>((fulfil, reject) => {
      child.once('error', error => reject(failed(`npm could not be started (${error.message})`, error)))
      child.once('close', (code, signal) => {
        if (code === 0) fulfil()
        else reject(failed(`npm exited with ${signal ?? code}`))
      })
    }).finally(() => this.#children.delete(child))
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
