/**
 * How the extension speaks to people. Toasts are never awaited: one that nobody closes must not hold anything up.
 */
import type * as vscode from 'vscode'
import type { Vscode } from './editor.ts'

export interface Button {
  title: string
  run(): unknown
}

export interface Ui {
  readonly log: vscode.LogOutputChannel
  say(message: string, ...buttons: Button[]): void
  warn(message: string, ...buttons: Button[]): void
  /** Every button also gets a neighbour that shows the log. */
  fail(message: string, ...buttons: Button[]): void
  /** In a notification that can cancel; `signal` aborts then. */
  progress<T>(title: string, run: (progress: Progress) => Promise<T>): Promise<T>
}

export interface Progress {
  signal: AbortSignal
  report(message: string): void
}

export function createUi(editor: Vscode, log: vscode.LogOutputChannel): Ui {
  const { window, ProgressLocation } = editor
  type Show = (message: string, ...titles: string[]) => Thenable<string | undefined>

  const toast = (show: Show, message: string, buttons: Button[]): void => {
    void show(message, ...buttons.map(({ title }) => title)).then(async chosen => {
      try {
        await buttons.find(({ title }) => title === chosen)?.run()
      } catch (error) {
        log.error(`${chosen}: ${String(error)}`)
        fail(`"${chosen}" failed: ${error instanceof Error ? error.message : String(error)}`)
      }
    })
  }
  const fail = (message: string, ...buttons: Button[]): void =>
    toast(window.showErrorMessage, message, [...buttons, { title: 'Show Log', run: () => log.show() }])
  return {
    log,
    say: (message, ...buttons) => toast(window.showInformationMessage, message, buttons),
    warn: (message, ...buttons) => toast(window.showWarningMessage, message, buttons),
    fail,
    progress: (title, run) =>
      Promise.resolve(
        window.withProgress(
          { location: ProgressLocation.Notification, title, cancellable: true },
          (progress, token) => {
            const abort = new AbortController()
            token.onCancellationRequested(() => abort.abort())
            return run({ signal: abort.signal, report: message => progress.report({ message }) })
          },
        ),
      ),
  }
}
