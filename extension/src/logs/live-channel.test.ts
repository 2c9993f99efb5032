import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LiveChannel } from './live-channel.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Shows a line only if it is known to be visible when it comes, as the editor does. */
function lateView() {
  const view = { written: '', shown: '', isVisible: false, pushes: 0, isDisposed: false }
  const append = (text: string) => {
    view.written += text
    view.pushes += text === '' ? 1 : 0
    if (view.isVisible) view.shown = view.written
  }
  const channel = {
    append,
    appendLine: (line: string) => append(line + '\n'),
    show: () => void (view.shown = view.written),
    dispose: () => void (view.isDisposed = true),
  }
  return { view, live: new LiveChannel(channel) }
}

test('lines that came before the view was known to be visible are shown without another one', () => {
  const { view, live } = lateView()
  live.show()
  live.appendLine('early')
  vi.advanceTimersByTime(2_000)
  expect(view.shown).toBe('')
  view.isVisible = true
  vi.advanceTimersByTime(1_000)
  expect(view.shown).toBe('early\n')
})

test('it pushes a few times after the last line, and is quiet then', () => {
  const { view, live } = lateView()
  for (let i = 0; i < 100; i++) {
    live.appendLine('a line')
    vi.advanceTimersByTime(200)
  }
  expect(view.pushes).toBe(0)
  vi.advanceTimersByTime(60_000)
  expect(view.pushes).toBe(4)
  live.appendLine('another')
  vi.advanceTimersByTime(60_000)
  expect(view.pushes).toBe(8)
})

test('nothing is pushed into a channel that is gone', () => {
  const { view, live } = lateView()
  live.appendLine('a line')
  live.dispose()
  vi.advanceTimersByTime(60_000)
  expect(view).toMatchObject({ pushes: 0, isDisposed: true })
})
