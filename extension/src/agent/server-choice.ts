/**
 * Which server this window works with. Until one is chosen here, it is the one that the command line uses (`server use`
 * or RYO_FAAS_SERVER), also when that changes. A choice is remembered for the workspace, and never in its files.
 */
import { EventEmitter } from 'node:events'
import type * as vscode from 'vscode'
import { chosenServer, readServers, type ServersFile } from 'ryo-faas/client'
import { RyoFaasError } from 'ryo-faas/contract'
import { serverMachine, thisMachine, unknownMachine, type Machine, type Surroundings } from './machine.ts'

const KEY = 'ryo-faas.server'

export interface ServerChoiceOptions extends Surroundings {
  /** The workspace's. */
  memory: Pick<vscode.Memento, 'get' | 'update'>
}

export class ServerChoice {
  readonly #options: ServerChoiceOptions
  readonly #events = new EventEmitter<{ change: [] }>()

  constructor(options: ServerChoiceOptions) {
    this.#options = options
  }

  /** What was chosen in this workspace; undefined: nothing. */
  get own(): string | undefined {
    return this.#options.memory.get<string>(KEY)
  }

  /** Another one may be chosen now, or the list is another one. */
  onChange(listener: () => void): { dispose(): void } {
    this.#events.on('change', listener)
    return { dispose: () => void this.#events.off('change', listener) }
  }

  /** @param name undefined: as the command line */
  async choose(name: string | undefined): Promise<void> {
    await this.#options.memory.update(KEY, name)
    this.notice()
  }

  /** The command line may have changed the list. */
  notice(): void {
    this.#events.emit('change')
  }

  /** All that were added. @throws RyoFaasError HOME_UNUSABLE */
  known(): Promise<ServersFile> {
    return readServers(this.#options.home)
  }

  async machine(): Promise<Machine> {
    const { home, environment } = this.#options
    const { own } = this
    try {
      const chosen = await chosenServer({ home, environment, server: own })
      return chosen === undefined ? thisMachine(home) : serverMachine(chosen, { home, environment })
    } catch (error) {
      const name = own ?? environment['RYO_FAAS_SERVER'] ?? 'of the command line'
      return unknownMachine(name, RyoFaasError.from(error))
    }
  }
}
