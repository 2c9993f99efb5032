/** The store as a process that is killed and comes back: on the same data and the same port. */
import { spawn, type ChildProcess } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TEST_KEYS } from '../../../access/access-testing.ts'
import type { StoreInput } from '../options.ts'
import { until } from '../../../../test/support/until.ts'

/** On a machine that does much else. */
const START_MS = 60_000

export class StoreProcess {
  readonly #folder: string
  readonly #options: Partial<StoreInput>
  readonly #main: string
  #child: ChildProcess | undefined
  #gone: Promise<number | null> = Promise.resolve(0)
  #port = 0

  /** @param main the entry to run */
  constructor(folder: string, main: string, options: Partial<StoreInput>) {
    this.#folder = folder
    this.#options = options
    this.#main = main
  }

  get port(): number {
    return this.#port
  }

  get dataFolder(): string {
    return join(this.#folder, 'data')
  }

  /** Resolves once it answers. */
  async start(): Promise<void> {
    const readyFile = join(this.#folder, 'ready.json')
    const file = join(this.#folder, 'options.json')
    await rm(readyFile, { force: true })
    const options = { dataFolder: this.dataFolder, access: TEST_KEYS, port: this.#port, readyFile, ...this.#options }
    await writeFile(file, JSON.stringify(options))
    const child = spawn(process.execPath, [this.#main, file], { stdio: ['ignore', 'ignore', 'pipe'] })
    let errors = ''
    child.stderr.on('data', (piece: Buffer) => (errors += piece.toString()))
    this.#child = child
    this.#gone = new Promise(resolve => child.once('exit', resolve))
    const isReady = async () => {
      if (child.exitCode !== null) throw new Error(`the store ended by itself: ${errors}`)
      const text = await readFile(readyFile, 'utf8').catch(() => undefined)
      if (text === undefined) return child.signalCode !== null
      this.#port = (JSON.parse(text) as { port: number }).port
      return true
    }
    await until(async () => (await isReady()) || undefined, START_MS, 'the store is ready')
  }

  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.#gone
  }

  /** Gently. @returns its exit code */
  async stop(): Promise<number | null> {
    this.#child?.kill('SIGTERM')
    return this.#gone
  }
}
