/** Debuggers of this machine: looked for when somebody debugs, which may wait for it. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { RyoFaasError } from '../../contract/index.ts'
import { pythonEnvironment } from './host-python.ts'

/** @throws RyoFaasError UNSUPPORTED */
export function mustBeAProcess(language: string, isOnThisMachine: boolean): void {
  if (isOnThisMachine) return
  throw new RyoFaasError('UNSUPPORTED', `functions in ${language} can be debugged as processes only`, {
    hint: 'Start a platform with --engine process for that.',
  })
}

/** @throws RyoFaasError UNSUPPORTED */
export function findDelve(environment: NodeJS.ProcessEnv): string {
  const { PATH = '', GOBIN, GOPATH, HOME = homedir() } = environment
  const own = [GOBIN, ...(GOPATH ?? join(HOME, 'go')).split(delimiter).map(folder => join(folder, 'bin'))]
  const name = process.platform === 'win32' ? 'dlv.exe' : 'dlv'
  for (const folder of [...PATH.split(delimiter), ...own].filter(Boolean)) {
    const program = join(folder!, name)
    if (isProgram(program)) return program
  }
  throw new RyoFaasError('UNSUPPORTED', 'debugging functions in Go needs Delve, and there is no program "dlv"', {
    hint: 'Install it: "apt-get install delve", or "go install github.com/go-delve/delve/cmd/dlv@latest".',
  })
}

/** The folder of debugpy, which a Python can run. */
export class Debugpy {
  readonly #environment: NodeJS.ProcessEnv
  readonly #found = new Map<string, string>()

  constructor(environment: NodeJS.ProcessEnv) {
    this.#environment = environment
  }

  /** @throws RyoFaasError UNSUPPORTED */
  of(python: string): string {
    const known = this.#found.get(python)
    if (known !== undefined && existsSync(known)) return known
    const said = spawnSync(python, ['-I', '-c', WHERE], { env: pythonEnvironment(this.#environment), encoding: 'utf8' })
    const folder = said.status === 0 ? said.stdout.trim() : ''
    if (folder === '') {
      throw new RyoFaasError('UNSUPPORTED', `debugging functions in Python needs debugpy, which ${python} lacks`, {
        hint: `Install it: "apt-get install python3-debugpy", or "${python} -m pip install debugpy".`,
      })
    }
    this.#found.set(python, folder)
    return folder
  }
}

const WHERE = 'import debugpy, os; print(os.path.dirname(debugpy.__file__))'

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
