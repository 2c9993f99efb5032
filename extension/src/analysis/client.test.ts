import { afterEach, expect, test } from 'vitest'
import { until } from '../testing/until.ts'
import { Analysis } from './client.ts'

const made: Analysis[] = []

afterEach(async () => {
  for (const analysis of made.splice(0)) await analysis.close()
})

/** A worker of which we say what it does. */
function analysisWith(code: string, more: { idleMs?: number; onFailure?: (error: Error) => void } = {}): Analysis {
  const head = "import { parentPort } from 'node:worker_threads'\n"
  const analysis = new Analysis({
    entry: new URL(`data:text/javascript,${encodeURIComponent(head + code)}`),
    setup: () => ({ types: { runtimeTypes: '', nodeTypes: '' } }),
    onFailure: () => undefined,
    ...more,
  })
  made.push(analysis)
  return analysis
}

const ECHO =
  "parentPort.on('message', ({ id, file }) => parentPort.postMessage({ id, result: { candidates: [], isWhole: file === 'yes' } }))"

test('there is no worker before the first question', async () => {
  const analysis = analysisWith(ECHO)
  analysis.forget('no')
  expect(analysis.isRunning).toBe(false)
  expect(await analysis.outline('yes', '')).toEqual({ candidates: [], isWhole: true })
  expect(analysis.isRunning).toBe(true)
})

test('answers go to those who asked', async () => {
  const analysis = analysisWith(ECHO)
  const answers = await Promise.all(['yes', 'no', 'yes'].map(file => analysis.outline(file, '')))
  expect(answers.map(({ isWhole }) => isWhole)).toEqual([true, false, true])
})

test('a worker that dies fails what waits, and the next question gets a new one', async () => {
  const failures: string[] = []
  const code = `parentPort.on('message', ({ id, file }) => {
    if (file === 'die') process.exit(3)
    parentPort.postMessage({ id, result: { candidates: [], isWhole: true } })
  })`
  const analysis = analysisWith(code, { onFailure: ({ message }) => failures.push(message) })
  await expect(analysis.outline('die', '')).rejects.toThrow('ended with 3')
  expect(failures).toHaveLength(1)
  expect((await analysis.outline('live', '')).isWhole).toBe(true)
})

test('an error of the worker is one of the question', async () => {
  const analysis = analysisWith("parentPort.on('message', ({ id }) => parentPort.postMessage({ id, error: 'broken' }))")
  await expect(analysis.outline('a', '')).rejects.toThrow('broken')
})

test('after a while without questions the worker is gone, and it comes back with one', async () => {
  const analysis = analysisWith(ECHO, { idleMs: 1 })
  await analysis.outline('yes', '')
  await until(() => !analysis.isRunning)
  expect((await analysis.outline('yes', '')).isWhole).toBe(true)
})

test('a closed one answers no more', async () => {
  const analysis = analysisWith(ECHO)
  const asked = analysis.outline('yes', '')
  const refused = expect(asked).rejects.toThrow('closed')
  await analysis.close()
  await refused
  await expect(analysis.outline('yes', '')).rejects.toThrow('closed')
})
