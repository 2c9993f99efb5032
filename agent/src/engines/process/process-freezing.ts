/** Freezes instances that are processes: with all that they have started themselves, by the signals of job control. */
import { setTimeout as delay } from 'node:timers/promises'
import { isAlive, isStopped, signalGroup } from '../../host/index.ts'
import type { Freezing } from '../capabilities.ts'
import type { ProcessRecord } from './process-record.ts'

export class ProcessFreezing implements Freezing {
  readonly #living: (id: string) => Promise<ProcessRecord | undefined>

  constructor(living: (id: string) => Promise<ProcessRecord | undefined>) {
    this.#living = living
  }

  async freeze(id: string): Promise<void> {
    const record = await this.#living(id)
    if (record === undefined) return
    await signalGroup(record.identity, 'SIGSTOP')
    // The kernel stops it when it is next scheduled.
    while ((await isAlive(record.identity)) && !(await isStopped(record.identity))) await delay(1)
  }

  async thaw(id: string): Promise<void> {
    const record = await this.#living(id)
    if (record !== undefined) await signalGroup(record.identity, 'SIGCONT')
  }
}
