import { expect, test, vi } from 'vitest'
import { FakeEditor } from '../testing/fake-editor.ts'
import { until } from '../testing/until.ts'
import { createUi } from './ui.ts'

const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn(), show: vi.fn() }

const uiOver = (window: object) => createUi(new FakeEditor({ window }).api, log)

test('what a button fails of is shown as well, not only logged', async () => {
  const showErrorMessage = vi.fn(async () => undefined)
  const ui = uiOver({ showWarningMessage: async () => 'Save Mine', showErrorMessage })
  ui.warn('It was changed.', { title: 'Save Mine', run: () => Promise.reject(new Error('the store is not running')) })
  await until(() => showErrorMessage.mock.calls.length > 0)
  expect(showErrorMessage).toHaveBeenCalledWith('"Save Mine" failed: the store is not running', 'Show Log')
  expect(log.error).toHaveBeenCalledOnce()
})

test('a question stays open when a tree takes the focus, and one without an answer is cancelled', async () => {
  const options: unknown[] = []
  const ui = uiOver({
    showQuickPick: async (_items: unknown, asked: unknown) => void options.push(asked),
    showInputBox: async (asked: unknown) => void options.push(asked),
    showWarningMessage: async () => undefined,
  })
  await expect(ui.pick([{ label: 'a' }], 'Which?')).rejects.toMatchObject({ code: 'CANCELLED' })
  await expect(ui.ask({ title: 'Name' })).rejects.toMatchObject({ code: 'CANCELLED' })
  await expect(ui.confirm('Really?', { buttons: ['Yes'] })).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(options).toEqual([
    { placeHolder: 'Which?', ignoreFocusOut: true },
    { title: 'Name', ignoreFocusOut: true },
  ])
})
