/**
 * The Pythons of this machine: where one is, what it brings, and where its packages are. They are asked themselves, with
 * nothing of the user's: neither packages nor `.pth` files run.
 */
import { execFile } from 'node:child_process'
import { access, constants, readdir, stat } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { hostBase, RyoFaasError } from '../../contract/index.ts'

export const HostPython = z.object({
  /** Absolute, without links. */
  program: z.string(),
  /** `3.13.5` */
  version: z.string(),
  /** Folders of the standard library. */
  library: z.array(z.string()),
  /** Folders with packages that are installed. */
  sites: z.array(z.string()),
  /** The libraries that its C extensions are built for: what is compiled for one does not run with another. */
  tag: z.string(),
})
export type HostPython = z.infer<typeof HostPython>

export interface HostPythonsOptions {
  environment: NodeJS.ProcessEnv
}

const TELL = `
import json, os, site, sys, sysconfig
paths = sysconfig.get_paths()
real = os.path.realpath(getattr(sys, '_base_executable', sys.executable) or sys.executable)
print(json.dumps({
    'program': real,
    'version': '.'.join(map(str, sys.version_info[:3])),
    'library': sorted({os.path.realpath(paths['stdlib']), os.path.realpath(paths['platstdlib'])}),
    'sites': [path for path in [*site.getsitepackages(), site.getusersitepackages()] if os.path.isdir(path)],
    'tag': sysconfig.get_config_var('SOABI') or sys.implementation.cache_tag,
}))`
const TELL_TIMEOUT_MS = 15_000
const OLDEST = 9

export class HostPythons {
  readonly #environment: NodeJS.ProcessEnv
  /** What programs said, by path, size and time. */
  readonly #told = new Map<string, Promise<HostPython | undefined>>()

  constructor({ environment }: HostPythonsOptions) {
    this.#environment = environment
  }

  /**
   * The first on the path that fits.
   * @param wanted a version or its beginning; default: any from 3.9 on
   * @throws RyoFaasError UNSUPPORTED with those that are there
   */
  async find(wanted?: string): Promise<HostPython> {
    const others = new Set<string>()
    for (const path of this.#candidates(wanted)) {
      const python = await this.#tell(path)
      if (python === undefined) continue
      const isOld = Number(python.version.split('.')[1]) < OLDEST
      if (!isOld && (wanted === undefined || `${python.version}.`.startsWith(`${wanted}.`))) {
        return { ...python, sites: [...(await this.#activeSites(python)), ...python.sites] }
      }
      others.add(python.version)
    }
    const what = wanted === undefined ? 'the program "python3" from version 3.9 on' : `Python ${wanted}`
    const there = others.size > 0 ? ` There are: ${[...others].join(', ')}.` : ''
    throw new RyoFaasError('UNSUPPORTED', `functions in Python need ${what}, which was not found`, {
      hint: `Install it: "apt-get install python3", "brew install python", or https://python.org; then try again.${there}`,
    })
  }

  /** @throws RyoFaasError UNSUPPORTED if that program is none */
  async at(path: string): Promise<HostPython> {
    const python = await this.#tell(path)
    if (python !== undefined) return python
    throw new RyoFaasError('UNSUPPORTED', `${path} is no Python of this machine`)
  }

  #candidates(wanted: string | undefined): string[] {
    const folders = [...(this.#environment['PATH'] ?? '').split(delimiter), '/usr/local/bin', '/usr/bin'].filter(
      Boolean,
    )
    const [major, minor] = (wanted ?? '').split('.')
    const named = major && minor ? [`python${major}.${minor}`] : []
    return [...named, 'python3', 'python'].flatMap(name => [...new Set(folders)].map(folder => join(folder, name)))
  }

  async #tell(path: string): Promise<HostPython | undefined> {
    const info = await stat(path).catch(() => undefined)
    if (!info?.isFile() || !(await isProgram(path))) return undefined
    const key = `${path}\0${info.size}\0${info.mtimeMs}`
    const told = this.#told.get(key) ?? this.#ask(path)
    this.#told.set(key, told)
    const python = await told
    // It may have been removed behind a version manager's shim.
    if (python === undefined || !(await isProgram(python.program))) this.#told.delete(key)
    return python
  }

  /** Nothing from what is not a Python. */
  async #ask(path: string): Promise<HostPython | undefined> {
    try {
      const options = { timeout: TELL_TIMEOUT_MS, env: pythonEnvironment(this.#environment) }
      return HostPython.parse(JSON.parse((await promisify(execFile)(path, ['-I', '-S', '-c', TELL], options)).stdout))
    } catch {
      return undefined
    }
  }

  /** Of the virtual environment that is active, if it is of that Python. */
  async #activeSites({ version }: HostPython): Promise<string[]> {
    const active = this.#environment['VIRTUAL_ENV']
    return active === undefined ? [] : sitesOf(active, version)
  }
}

/** Folders with packages of a virtual environment. */
export async function sitesOf(folder: string, version: string): Promise<string[]> {
  const name = `python${version.split('.').slice(0, 2).join('.')}`
  const site = join(folder, 'lib', name, 'site-packages')
  return (await readdir(site).catch(() => undefined)) === undefined ? [] : [site]
}

/** What programs in Python run on in a container: it, its standard library, and packages. */
export function pythonBase({ program, library }: HostPython, more: readonly string[] = []): string {
  return hostBase([program, ...library, ...more])
}

/** Without what would change which modules it finds. */
export function pythonEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(environment).filter(([name]) => !/^(?:PYTHON|NODE_|RYO_FAAS_)/.test(name))
  return { ...Object.fromEntries(kept), PYTHONDONTWRITEBYTECODE: '1' }
}

async function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}
