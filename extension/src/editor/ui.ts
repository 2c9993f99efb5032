/**
 * What the extension says and asks. Invariants:
 *
 * 1. Toasts are never awaited: one that stays open must not hold anything up.
 * 2. A question stays open when the focus goes elsewhere: the editor gives it back to a tree as soon as that is drawn
 *    again.
 * 3. A question that is not answered throws CANCELLED.
 */
import type * as vscode from 'vscode'
import { RyoFaasError } from 'ryo-faas/contract'
import type { Vscode } from './editor.ts'

export interface Button {
  title: string
  run(): unknown
}

export type Log = Pick<vscode.LogOutputChannel, 'debug' | 'info' | 'warn' | 'error' | 'show'>

export interface Ui {
  readonly log: Log
  say(message: string, ...buttons: Button[]): void
  warn(message: string, ...buttons: Button[]): void
  /** With a further button that shows the log. */
  fail(message: string, ...buttons: Button[]): void
  /** In a notification with a Cancel button, which aborts `signal`. */
  progress<T>(title: string, run: (progress: Progress) => Promise<T>): Promise<T>
  /** @throws RyoFaasError CANCELLED */
  pick<T extends vscode.QuickPickItem>(items: readonly T[], placeHolder: string): Promise<T>
  /** @throws RyoFaasError CANCELLED */
  ask(question: vscode.InputBoxOptions): Promise<string>
  /** A dialog. Answers the title of the button. @throws RyoFaasError CANCELLED */
  confirm(question: string, options: { buttons: string[]; detail?: string }): Promise<string>
}

export interface Progress {
  signal: AbortSignal
  report(message: string): void
}

export function createUi(editor: Vscode, log: Log): Ui {
  const { window, ProgressLocation } = editor
  type Show = (message: string, ...titles: string[]) => Thenable<string | undefined>

  const toast = (show: Show, message: string, buttons: Button[]): void => {
    void show(message, ...buttons.map(({ title }) => title)).then(async title => {
      try {
        await buttons.find(button => button.title === title)?.run()
      } catch (error) {
        log.error(`${title}: ${String(error)}`)
        fail(`"${title}" failed: ${error instanceof Error ? error.message : String(error)}`)
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
    pick: (items, placeHolder) => answered(window.showQuickPick(items, { placeHolder, ignoreFocusOut: true })),
    ask: question => answered(window.showInputBox({ ...question, ignoreFocusOut: true })),
    confirm: (question, { buttons, detail }) =>
      answered(
        window.showWarningMessage(question, { modal: true, ...(detail !== undefined && { detail }) }, ...buttons),
      ),
  }
}

/** For work that cannot be stopped: it goes on, and nobody waits for it. @throws RyoFaasError CANCELLED */
export function untilCancelled<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = () => reject(new RyoFaasError('CANCELLED', 'cancelled'))
    if (signal.aborted) cancel()
    signal.addEventListener('abort', cancel, { once: true })
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', cancel))
  })
}

/** @throws RyoFaasError CANCELLED if nothing was chosen */
export async function answered<T>(answer: Thenable<T | undefined>): Promise<T> {
  const value = await answer
  if (value === undefined) throw new RyoFaasError('CANCELLED', 'nothing was chosen')
  return value
}
