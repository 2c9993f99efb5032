import type * as vscode from 'vscode'
import { expect, test, vi } from 'vitest'
import { FakeEditor } from '../testing/fake-editor.ts'
import { until } from '../testing/until.ts'
import { createUi } from './ui.ts'

const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn(), show: vi.fn() }

/** An editor whose window does this. */
function uiOver(window: Partial<typeof vscode.window>) {
  const { api } = new FakeEditor()
  return createUi({ ...api, window: { ...api.window, ...window } }, log)
}

test('what a button fails of is shown as well, not only logged', async () => {
  const showErrorMessage = vi.fn(async () => undefined)
  const ui = uiOver({ showWarningMessage: async () => 'Save Mine' as never, showErrorMessage })
  ui.warn('It was changed.', { title: 'Save Mine', run: () => Promise.reject(new Error('the store is not running')) })
  await until(() => showErrorMessage.mock.calls.length > 0)
  expect(showErrorMessage).toHaveBeenCalledWith('"Save Mine" failed: the store is not running', 'Show Log')
  expect(log.error).toHaveBeenCalledOnce()
})

test('a question stays open when a tree takes the focus, and one without an answer is cancelled', async () => {
  const options: unknown[] = []
  const ui = uiOver({
    showQuickPick: async (_items: unknown, asked: unknown) => void options.push(asked) as never,
    showInputBox: async asked => void options.push(asked),
    showWarningMessage: async () => undefined as never,
  })
  await expect(ui.pick([{ label: 'a' }], 'Which?')).rejects.toMatchObject({ code: 'CANCELLED' })
  await expect(ui.ask({ title: 'Name' })).rejects.toMatchObject({ code: 'CANCELLED' })
  await expect(ui.confirm('Really?', { buttons: ['Yes'] })).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(options).toEqual([
    { placeHolder: 'Which?', ignoreFocusOut: true },
    { title: 'Name', ignoreFocusOut: true },
  ])
})
