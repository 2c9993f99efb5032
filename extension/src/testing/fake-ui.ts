/** What the extension says is kept, what it asks is answered by a test. */
import type { InputBoxOptions, QuickPickItem } from 'vscode'
import { answered, type Button, type Progress, type Ui } from '../editor/ui.ts'

export class FakeUi implements Ui {
  /** Toasts, with their buttons in `[…]`. */
  readonly said: string[] = []
  readonly logged: string[] = []
  /** Questions, and what there was to choose from. */
  readonly asked: string[][] = []
  readonly inputs: InputBoxOptions[] = []
  /** Titles, labels and texts in the order of the questions; a question without an answer was cancelled. */
  answers: string[] = []
  #buttons: Button[] = []

  readonly log = {
    debug: () => undefined,
    info: (text: string) => void this.logged.push(text),
    warn: (text: string) => void this.logged.push(text),
    error: (text: string) => void this.logged.push(text),
    show: () => undefined,
  }
  say = (message: string, ...buttons: Button[]): void => this.#toast(message, buttons)
  warn = (message: string, ...buttons: Button[]): void => this.#toast(message, buttons)
  fail = (message: string, ...buttons: Button[]): void => this.#toast(message, buttons)

  async press(title: string): Promise<unknown> {
    return this.#buttons.find(button => button.title === title)!.run()
  }

  progress<T>(_title: string, run: (progress: Progress) => Promise<T>): Promise<T> {
    return run({ signal: new AbortController().signal, report: () => undefined })
  }

  pick<T extends QuickPickItem>(items: readonly T[], placeHolder: string): Promise<T> {
    this.asked.push([placeHolder, ...items.map(({ label }) => label)])
    const answer = this.answers.shift()
    return answered(Promise.resolve(items.find(({ label }) => label === answer)))
  }

  ask(question: InputBoxOptions): Promise<string> {
    this.inputs.push(question)
    return answered(Promise.resolve(this.answers.shift()))
  }

  confirm(question: string, { buttons }: { buttons: string[] }): Promise<string> {
    this.asked.push([question, ...buttons])
    return answered(Promise.resolve(this.answers.shift()))
  }

  #toast(message: string, buttons: Button[]): void {
    this.#buttons = buttons
    this.said.push([message, ...buttons.map(({ title }) => `[${title}]`)].join(' '))
  }
}
