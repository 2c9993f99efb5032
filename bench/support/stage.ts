/**
 * Where a bench runs: a temporary folder, and the list of all that has to be undone. Invariant: after `end`, called at
 * the end, after a failure or on Ctrl-C, nothing started or written is left; what is started while it ends is undone
 * at once.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

type Undo = () => Promise<unknown> | void

export class Stage {
  readonly folder: string
  /** A tenth of the effort: for trying the benches, not for figures to keep. */
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

  /** One line about what goes on. */
  say(line: string): void {
    this.#say(line)
  }

  /** @throws if the stage is being ended, once `undo` has been carried out. */
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

  /** The end, and the end of all that came in late. */
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
