import { expect, test } from 'vitest'
import { RyoFaasError } from 'ryo-faas/contract'
import { FakeUi } from '../testing/fake-ui.ts'
import { runnable } from './runnable.ts'

async function saidOf(error: Error): Promise<{ toasts: string[]; logged: string }> {
  const ui = new FakeUi()
  await runnable('x', () => Promise.reject(error), { ui, remedies: () => [] })()
  return { toasts: ui.said, logged: ui.logged.join('\n') }
}

test('a toast says what happened and what to do; advice for the command line is in the log only', async () => {
  const shell = new RyoFaasError('NOT_RUNNING', 'the agent is away', { hint: 'Start it with: ryo-faas startFaas' })
  expect(await saidOf(shell)).toEqual({
    toasts: ['the agent is away'],
    logged: expect.stringContaining('ryo-faas startFaas') as string,
  })
  const here = new RyoFaasError('NOT_RUNNING', 'the agent is away', { hint: 'Start it.' })
  expect((await saidOf(here)).toasts).toEqual(['the agent is away. Start it.'])
})

test('a problem in the code is what is said, but of a function that did not start also which it is', async () => {
  const problem = { code: 'load-failed', message: 'Error: no database', file: '/w/a.ts', line: 1, column: 1 }
  const more = { problems: [problem, problem] }
  expect((await saidOf(new RyoFaasError('CHECK_FAILED', '2 problems found', more))).toasts).toEqual([
    'Error: no database (and 1 more)',
  ])
  const message = 'hello did not start: Error: no database'
  expect((await saidOf(new RyoFaasError('START_FAILED', message, { problems: [problem] }))).toasts).toEqual([message])
})

test('what was cancelled is not said', async () => {
  expect((await saidOf(new RyoFaasError('CANCELLED', 'no'))).toasts).toEqual([])
})
