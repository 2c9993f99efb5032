import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { RyoFaasError, type DeployEvent } from '../../contract/index.ts'
import type { Context } from '../context.ts'
import { deployElsewhere } from './deploy-elsewhere.ts'

const BODY = {
  ...{ file: '/w/deploy.json', buildOnly: true, debug: false, replace: false, explain: false },
  ...{ environment: undefined, variables: {} },
}

/** On a machine where no agent runs, so that the command builds by itself. */
async function contextWith(buildHere: Context['buildHere']): Promise<Context> {
  const home = await mkdtemp(join(tmpdir(), 'rfa-elsewhere-'))
  onTestFinished(() => rm(home, { recursive: true }))
  return { home, signal: new AbortController().signal, buildHere } as unknown as Context
}

const run = (context: Context) => deployElsewhere(BODY, { context, onProgress: () => undefined })

test('what the build tells is passed on while it goes on, and what it made is closed at the end', async () => {
  let wasSeen = () => {}
  const seen = new Promise<void>(resolve => (wasSeen = resolve))
  let isClosed = false
  const context = await contextWith(async (_asked, { emit }) => {
    emit({ type: 'step', name: 'Hello', step: 'checking' })
    // As long as nobody has seen the step, the build is not over.
    await seen
    emit({ type: 'note', name: 'Hello', message: 'bundled' })
    return { close: async () => void (isClosed = true) } as never
  })
  const events: DeployEvent['type'][] = []
  for await (const { type } of run(context)) {
    events.push(type)
    if (type === 'step') wasSeen()
  }
  expect([events, isClosed]).toEqual([['step', 'note', 'finished'], true])
})

test('a build that fails has told what came before; one that is left is closed', async () => {
  const failing = await contextWith(async (_asked, { emit }) => {
    emit({ type: 'step', name: 'Hello', step: 'building' })
    throw new RyoFaasError('BUILD_FAILED', 'it cannot be built')
  })
  const events: DeployEvent[] = []
  const failed = (async () => {
    for await (const event of run(failing)) events.push(event)
  })()
  await expect(failed).rejects.toMatchObject({ code: 'BUILD_FAILED' })
  expect(events).toMatchObject([{ type: 'step' }])

  let isClosed = false
  const left = await contextWith(async (_asked, { emit }) => {
    emit({ type: 'step', name: 'Hello', step: 'building' })
    return { close: async () => void (isClosed = true) } as never
  })
  for await (const _ of run(left)) break
  expect(isClosed).toBe(true)
})
