/**
 * Stored data of instances: `<id>.json`, the record, and `<id>.ready`, which the instance itself writes once it
 * listens. Damaged records are dropped: their process, if any, shows up as unknown.
 */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readIfPresent, writeAtomically } from '../../host/index.ts'
import { ProcessRecord, ReadyFile } from './process-record.ts'

export class RecordFiles {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  readyFile(id: string): string {
    return join(this.#folder, `${id}.ready`)
  }

  /** All records, with the ports they listen on by now. */
  async read(): Promise<ProcessRecord[]> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const records: ProcessRecord[] = []
    for (const name of await readdir(this.#folder)) {
      if (!name.endsWith('.json')) continue
      const path = join(this.#folder, name)
      const record = ProcessRecord.safeParse(parsed(await readIfPresent(path)))
      if (!record.success) {
        await rm(path, { force: true })
        continue
      }
      const port = await this.readPort(record.data.id)
      records.push(port === undefined ? record.data : { ...record.data, port })
    }
    return records
  }

  save(record: ProcessRecord): Promise<void> {
    return writeAtomically(this.#recordFile(record.id), JSON.stringify(record))
  }

  /** `undefined`: it is not listening yet. */
  async readPort(id: string): Promise<number | undefined> {
    // Half written: the caller polls.
    return ReadyFile.safeParse(parsed(await readIfPresent(this.readyFile(id)))).data?.port
  }

  async remove(id: string): Promise<void> {
    await Promise.all([this.#recordFile(id), this.readyFile(id)].map(path => rm(path, { force: true })))
  }

  async removeAll(): Promise<void> {
    // An exit may be written down at this moment.
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  }

  #recordFile(id: string): string {
    return join(this.#folder, `${id}.json`)
  }
}

/** `undefined` for what is not JSON. */
function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}
