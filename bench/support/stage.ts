/**
 * Where a bench runs: a temporary folder, and a list of everything to undo. Invariant: after `end` (on completion,
 * failure or Ctrl-C) nothing started or written is left; what is started while ending is undone at once.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

type Undo = () => Promise<unknown> | void

export class Stage {
  readonly folder: string
  /** A tenth of the effort: for trying the benches, not for results to keep. */
  readonly quick: boolean
  readonly #undo: Undo[] = []
  readonly #say: (line: string) => void
  #ended: Promise<void> | undefined

  private constructor(folder: string, options: { quick: boolean; say: (line: string) => void }) {
    this.folder = folder
    this.quick = options.quick
    this.#say = options.say
    this.onEnd(() => rm(folder, { recursive: true, force: true }))
  }

  static async open(options: { quick: boolean; say: (line: string) => void }): Promise<Stage> {
    return new Stage(await mkdtemp(join(tmpdir(), 'rfa-bench-')), options)
  }

  /** One line of progress. */
  say(line: string): void {
    this.#say(line)
  }

  /** @throws if the stage is ending, after running `undo` */
  onEnd(undo: Undo): void {
    if (!this.#ended) {
      this.#undo.push(undo)
      return
    }
    const late = Promise.resolve(undo()).catch(() => undefined)
    this.#ended = Promise.all([this.#ended, late]).then(() => undefined)
    throw new Error('the bench was ended')
  }

  /** Last done, first undone. Resolves when nothing is left to undo. */
  end(): Promise<void> {
    return (this.#ended ??= this.#undoAll())
  }

  /** Ends the stage, including everything added while it ends. */
  async ended(): Promise<void> {
    let seen: Promise<void>
    do await (seen = this.end())
    while (seen !== this.#ended)
  }

  async #undoAll(): Promise<void> {
    for (let undo = this.#undo.pop(); undo; undo = this.#undo.pop()) {
      try {
        await undo()
      } catch (error) {
        this.say(`could not be undone: ${(error as Error).message}`)
      }
    }
  }
}
