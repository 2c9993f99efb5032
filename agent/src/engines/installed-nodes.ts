/**
 * The Nodes of this machine that a function may ask for by version: the platform's own, those on the path, and those of
 * version managers. They are looked for when one is asked for; one that says its version in a folder's name is run only if
 * it may be the one, and what a program on the path is (it may be a manager's shim) it says itself.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { RyoFaasError } from '../contract/index.ts'

interface InstalledNode {
  path: string
  version: string
}

interface Candidate {
  path: string
  /** As its folder's name says; it may be only the beginning. */
  named?: string
}

export interface InstalledNodesOptions {
  /** The platform's own Node. */
  own: string
  /** Says where version managers keep theirs. */
  environment: NodeJS.ProcessEnv
}

const PROGRAM = process.platform === 'win32' ? 'node.exe' : join('bin', 'node')
const TELL = 'JSON.stringify({ path: process.execPath, version: process.versions.node })'
const TELL_TIMEOUT_MS = 10_000

/** `node@22` → `22`; nothing for the platform's own. */
export function nodeVersionOf(base: string): string | undefined {
  return /^node@(.+)$/.exec(base)?.[1]
}

export class InstalledNodes {
  readonly #options: InstalledNodesOptions
  /** What programs said, by path, size and time. */
  readonly #told = new Map<string, Promise<InstalledNode | undefined>>()

  constructor(options: InstalledNodesOptions) {
    this.#options = options
  }

  /**
   * The platform's own if it fits, else the newest that does.
   * @param base of a language: `node`, or `node@` with a version or its beginning
   * @throws RyoFaasError NODE_NOT_FOUND with those that are there
   */
  async pathOf(base = 'node'): Promise<string> {
    const { own } = this.#options
    const wanted = nodeVersionOf(base)
    if (wanted === undefined) return own
    const [ownNode] = await this.#tell([{ path: own }])
    if (ownNode && fits(ownNode.version, wanted)) return own
    const candidates = await this.#candidates()
    const nodes = await this.#tell(candidates.filter(({ named }) => named === undefined || mayFit(named, wanted)))
    const [newest] = nodes.filter(({ version }) => fits(version, wanted)).sort(newestFirst)
    if (newest) return newest.path
    const versions = [...(ownNode ? [ownNode] : []), ...nodes].map(({ version }) => version)
    throw notFound(wanted, [...versions, ...candidates.flatMap(({ named }) => named ?? [])])
  }

  async #candidates(): Promise<Candidate[]> {
    const { environment } = this.#options
    const onPath = (environment['PATH'] ?? '')
      .split(delimiter)
      .map(folder => ({ path: join(folder, process.platform === 'win32' ? 'node.exe' : 'node') }))
    const managed = await Promise.all(managerFolders(environment).map(inFolder))
    return [...onPath, ...managed.flat()].filter(({ path }) => existsSync(path))
  }

  async #tell(candidates: Candidate[]): Promise<InstalledNode[]> {
    const told = await Promise.all(candidates.map(({ path }) => this.#tellOne(path)))
    return told.filter(node => node !== undefined && existsSync(node.path)) as InstalledNode[]
  }

  async #tellOne(path: string): Promise<InstalledNode | undefined> {
    const info = await stat(path).catch(() => undefined)
    if (info === undefined) return undefined
    const key = `${path}\0${info.size}\0${info.mtimeMs}`
    const told = this.#told.get(key) ?? tell(path, this.#options.environment)
    this.#told.set(key, told)
    return told
  }
}

/** Nothing from what is not a Node. */
async function tell(path: string, environment: NodeJS.ProcessEnv): Promise<InstalledNode | undefined> {
  const options = { timeout: TELL_TIMEOUT_MS, env: { ...environment, NODE_OPTIONS: '' }, cwd: homedir() }
  try {
    return JSON.parse((await promisify(execFile)(path, ['-p', TELL], options)).stdout) as InstalledNode
  } catch {
    return undefined
  }
}

/** Where managers keep versions, each in a folder with its name; and the program in there. */
function managerFolders(environment: NodeJS.ProcessEnv): [folder: string, program: string][] {
  const home = environment['HOME'] || homedir()
  const at = (variable: string, otherwise: string) => environment[variable] || otherwise
  const data = at('XDG_DATA_HOME', join(home, '.local', 'share'))
  const ofFnm = [at('FNM_DIR', join(data, 'fnm')), join(home, '.fnm'), join(home, 'Library/Application Support/fnm')]
  return [
    [join(at('NVM_DIR', join(home, '.nvm')), 'versions', 'node'), PROGRAM],
    ...(environment['NVM_HOME'] ? [[environment['NVM_HOME'], PROGRAM] as [string, string]] : []),
    ...ofFnm.map((folder): [string, string] => [join(folder, 'node-versions'), join('installation', PROGRAM)]),
    [join(at('VOLTA_HOME', join(home, '.volta')), 'tools', 'image', 'node'), PROGRAM],
    [join(at('ASDF_DATA_DIR', join(home, '.asdf')), 'installs', 'nodejs'), PROGRAM],
    [join(at('MISE_DATA_DIR', join(data, 'mise')), 'installs', 'node'), PROGRAM],
    [join(at('N_PREFIX', '/usr/local'), 'n', 'versions', 'node'), PROGRAM],
    ['/opt/homebrew/opt', PROGRAM],
    ['/usr/local/opt', PROGRAM],
  ]
}

async function inFolder([folder, program]: [string, string]): Promise<Candidate[]> {
  const names = await readdir(folder).catch(() => [])
  return names.flatMap(name => {
    const named = /^(?:v|node@)?(\d+(?:\.\d+)*)$/.exec(name)?.[1]
    return named === undefined ? [] : { path: join(folder, name, program), named }
  })
}

/** `22.12` fits `22.12.0` and `22`. */
function fits(version: string, wanted: string): boolean {
  return `${version}.`.startsWith(`${wanted}.`)
}

/** A folder `22` may hold 22.12.0. */
function mayFit(named: string, wanted: string): boolean {
  return fits(named, wanted) || fits(wanted, named)
}

function newestFirst(a: InstalledNode, b: InstalledNode): number {
  return b.version.localeCompare(a.version, 'en', { numeric: true })
}

function notFound(wanted: string, versions: string[]): RyoFaasError {
  const there = [...new Set(versions)].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  const hint = `Install it (with nvm, fnm, volta, asdf, mise or n, or on the PATH of the platform), or ask for one that is there: ${there.join(', ')}`
  return new RyoFaasError('NODE_NOT_FOUND', `Node ${wanted} was not found on this machine`, { hint })
}
