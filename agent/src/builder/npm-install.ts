/**
 * Installs what a package names in its package.json where no `node_modules` in reach holds it, as its lock file says,
 * into a cache folder: the user's sources stay as they are, and the next build of the same lock file costs nothing.
 * Install scripts do not run: a deployment must not execute code of packages on the host. A package that needs them has
 * to be installed by the user, in the package folder.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { cp, mkdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { RyoFaasError } from '../contract/index.ts'
import { findPackage, readManifest } from './node-packages.ts'

const LOCK = 'package-lock.json'
const LAST_LINES = 15

export interface NpmInstallerOptions {
  cacheDir: string
  /** The program `npm`. */
  npmPath: string
}

export class NpmInstaller {
  readonly #options: NpmInstallerOptions
  readonly #running = new Map<string, Promise<string>>()
  readonly #children = new Set<ChildProcess>()

  constructor(options: NpmInstallerOptions) {
    this.#options = options
  }

  /** Resolves to the folder with the package's `node_modules`, or to nothing if there is none to install. */
  async install(packageDir: string): Promise<string | undefined> {
    const missing = missingDependencies(packageDir)
    if (missing.length === 0 || !existsSync(join(packageDir, LOCK))) return undefined
    const [manifest, lock] = await Promise.all(
      ['package.json', LOCK].map(name => readFile(join(packageDir, name), 'utf8')),
    )
    const local = localPackages(lock!, packageDir)
    const hash = createHash('sha256').update(JSON.stringify([manifest, lock, process.platform, process.arch]))
    for (const path of local) hash.update(await fingerprint(join(packageDir, path)))
    const folder = join(this.#options.cacheDir, hash.digest('hex').slice(0, 32))
    if (existsSync(folder)) return folder
    // The same lock file at once (several functions of one package) is one installation.
    let running = this.#running.get(folder)
    if (!running) {
      running = this.#installInto(folder, packageDir, local).finally(() => this.#running.delete(folder))
      this.#running.set(folder, running)
    }
    return running
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL')
  }

  async #installInto(folder: string, packageDir: string, local: string[]): Promise<string> {
    const unfinished = `${folder}.${randomUUID()}`
    try {
      await mkdir(unfinished, { recursive: true })
      for (const path of ['package.json', LOCK, '.npmrc', ...local]) {
        const from = join(packageDir, path)
        if (!existsSync(from)) continue
        await mkdir(dirname(join(unfinished, path)), { recursive: true })
        await cp(from, join(unfinished, path), { recursive: true })
      }
      await this.#npmCi(unfinished, packageDir)
      await rename(unfinished, folder)
    } catch (error) {
      await rm(unfinished, { recursive: true, force: true })
      throw error
    }
    return folder
  }

  #npmCi(cwd: string, packageDir: string): Promise<void> {
    const args = ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund']
    const child = spawn(this.#options.npmPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#children.add(child)
    const lines: string[] = []
    const keep = (chunk: string) => {
      lines.push(...chunk.split('\n').filter(Boolean))
      lines.splice(0, lines.length - LAST_LINES)
    }
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', keep)
    const failed = (why: string, cause?: unknown) =>
      new RyoFaasError('BUILD_FAILED', `The packages of ${packageDir} could not be installed: ${why}`, {
        hint: `Run it yourself: cd ${packageDir} && npm ci`,
        logs: lines,
        cause,
      })
    return new Promise<void>((fulfil, reject) => {
      child.once('error', error => reject(failed(`npm did not start (${error.message})`, error)))
      child.once('close', (code, signal) => {
        if (code === 0) fulfil()
        else reject(failed(`npm ended with ${signal ?? code}`))
      })
    }).finally(() => this.#children.delete(child))
  }
}

export function missingDependencies(packageDir: string): string[] {
  const names = Object.keys(readManifest(packageDir).dependencies ?? {})
  return names.filter(name => !name.startsWith('@ryo-faas/') && findPackage(name, packageDir) === undefined)
}

/** Tarballs and folders below the package that the lock file refers to, relative to it. */
function localPackages(lock: string, packageDir: string): string[] {
  const { packages } = parseLock(lock, packageDir)
  return Object.values(packages ?? {}).flatMap(({ resolved, link }) => {
    const path = link ? resolved : resolved?.startsWith('file:') ? resolved.slice('file:'.length) : undefined
    if (path === undefined) return []
    const inside = relative(packageDir, resolve(packageDir, path))
    if (!inside.startsWith('..')) return [inside.split(sep).join('/')]
    throw new RyoFaasError('BUILD_FAILED', `${path} in ${LOCK} lies outside the package, so only npm can install it`, {
      hint: `Run: cd ${packageDir} && npm ci`,
    })
  })
}

interface Lock {
  packages?: Record<string, { resolved?: string; link?: boolean }>
}

function parseLock(lock: string, packageDir: string): Lock {
  try {
    return JSON.parse(lock) as Lock
  } catch (error) {
    throw new RyoFaasError('BUILD_FAILED', `${join(packageDir, LOCK)} is not valid JSON`, { cause: error })
  }
}

async function fingerprint(path: string): Promise<string> {
  const status = await stat(path).catch(() => undefined)
  return status ? `${status.size} ${status.mtimeMs}` : 'absent'
}
