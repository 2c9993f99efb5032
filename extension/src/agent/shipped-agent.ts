/**
 * The agent that comes with the extension. The editor deletes the folder of an updated or uninstalled extension while
 * the platform keeps running, so the platform runs from a copy in its own home. Invariants:
 *
 * 1. A folder `agents/<build>` is complete: it gets its name when everything is in it.
 * 2. Copies of other builds are removed only while no platform runs in the home: its parts may run from them.
 * 3. What another window is copying right now is left to it.
 */
import { existsSync } from 'node:fs'
import { constants, cp, mkdir, mkdtemp, readFile, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { homePaths } from 'ryo-faas/client'
import { RyoFaasError } from 'ryo-faas/contract'

const CLI = join('agent', 'bundle', 'main', 'cli.js')

export class ShippedAgent {
  readonly #folder: string
  #build: Promise<string | undefined> | undefined

  constructor(extensionPath: string) {
    this.#folder = join(extensionPath, 'dist')
  }

  /** Its command line, for commands that leave nothing running; `undefined` in a checkout that was not packed. */
  get cli(): string | undefined {
    const path = join(this.#folder, CLI)
    return existsSync(path) ? path : undefined
  }

  /** Hash of its code; `undefined` if it was not packed. */
  build(): Promise<string | undefined> {
    return (this.#build ??= readBuild(join(this.#folder, 'agent', 'package.json')))
  }

  /**
   * Its command line in the home, copied there if needed: what it starts survives the extension.
   * @throws RyoFaasError HOME_UNUSABLE
   */
  async install(home: string): Promise<string | undefined> {
    const build = await this.build()
    if (build === undefined) return this.cli
    const agents = agentsFolder(home)
    try {
      if (!existsSync(join(agents, build))) await this.#copyTo(agents, build)
      if (!isInUse(home)) await removeOthers(agents, build)
    } catch (error) {
      throw new RyoFaasError('HOME_UNUSABLE', `cannot copy the agent to ${agents}: ${(error as Error).message}`, {
        hint: 'Free disk space, or choose another folder with the setting "ryo-faas.home".',
        cause: error,
      })
    }
    return join(agents, build, CLI)
  }

  async #copyTo(agents: string, build: string): Promise<void> {
    await mkdir(agents, { recursive: true, mode: 0o700 })
    const unfinished = await mkdtemp(join(agents, `unfinished-${process.pid}-`))
    try {
      const mode = constants.COPYFILE_FICLONE
      for (const name of ['agent', 'node_modules']) {
        await cp(join(this.#folder, name), join(unfinished, name), { recursive: true, mode })
      }
      await rename(unfinished, join(agents, build))
    } catch (error) {
      await rm(unfinished, { recursive: true, force: true })
      // Another window was faster.
      if (!existsSync(join(agents, build))) throw error
    }
  }
}

async function readBuild(manifest: string): Promise<string | undefined> {
  try {
    return (JSON.parse(await readFile(manifest, 'utf8')) as { build?: string }).build
  } catch {
    return undefined // A checkout.
  }
}

/** After the platform was removed with its data. */
export async function removeAgents(home: string): Promise<void> {
  if (!isInUse(home)) await rm(agentsFolder(home), { recursive: true, force: true })
}

function agentsFolder(home: string): string {
  return join(home, 'agents')
}

function isInUse(home: string): boolean {
  const { agentFile, options } = homePaths(home)
  return existsSync(agentFile) || existsSync(options)
}

async function removeOthers(agents: string, build: string): Promise<void> {
  const others = (await readdir(agents)).filter(name => name !== build && !isBeingCopied(name))
  await Promise.all(others.map(name => rm(join(agents, name), { recursive: true, force: true })))
}

function isBeingCopied(name: string): boolean {
  const [, pid] = /^unfinished-(\d+)-/.exec(name) ?? []
  try {
    return pid !== undefined && process.kill(Number(pid), 0)
  } catch {
    return false // Its window ended before the copy was whole.
  }
}
