/**
 * An output channel whose last lines are always shown. The editor pushes a line to the view only if it knows that the
 * channel is visible, and it learns that a moment after the view has read what there was: lines in between stay
 * invisible until the next one. So a while after the last line, an empty text is appended, which pushes what is there.
 */
import type * as vscode from 'vscode'

/** After the last line or `show`; a busy editor takes seconds to open its view. */
const PUSH_AFTER_MS = [300, 1_000, 3_000, 10_000]

type Channel = Pick<vscode.OutputChannel, 'append' | 'appendLine' | 'dispose' | 'show'>

export class LiveChannel {
  readonly #channel: Channel
  #timers: ReturnType<typeof setTimeout>[] = []

  constructor(channel: Channel) {
    this.#channel = channel
  }

  /** Does not take the focus. */
  show(): void {
    this.#channel.show(true)
    this.#pushLater()
  }

  appendLine(line: string): void {
    this.#channel.appendLine(line)
    this.#pushLater()
  }

  dispose(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#channel.dispose()
  }

  #pushLater(): void {
    if (this.#timers.length > 0) for (const timer of this.#timers) timer.refresh()
    else this.#timers = PUSH_AFTER_MS.map((ms, index) => setTimeout(() => this.#push(index), ms))
  }

  #push(index: number): void {
    this.#channel.append('')
    if (index === PUSH_AFTER_MS.length - 1) this.#timers = []
  }
}
