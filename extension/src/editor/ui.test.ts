import type * as vscode from 'vscode'
import { expect, test, vi } from 'vitest'
import type { Vscode } from './editor.ts'
import { createUi } from './ui.ts'

test('what a button fails of is shown as well, not only logged', async () => {
  const showErrorMessage = vi.fn(async () => undefined)
  const window = { showWarningMessage: async () => 'Save Mine', showErrorMessage }
  const log = { error: vi.fn() }
  const ui = createUi({ window } as unknown as Vscode, log as unknown as vscode.LogOutputChannel)
  ui.warn('It was changed.', { title: 'Save Mine', run: () => Promise.reject(new Error('the store does not run')) })
  await vi.waitUntil(() => showErrorMessage.mock.calls.length > 0, { timeout: 10_000 })
  expect(showErrorMessage).toHaveBeenCalledWith('"Save Mine" failed: the store does not run', 'Show Log')
  expect(log.error).toHaveBeenCalledOnce()
})
