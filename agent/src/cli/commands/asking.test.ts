/** Without a terminal, destructive commands do nothing unless --yes is given. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import type { Command, Context } from '../context.ts'
import { Output } from '../output.ts'
import { reset } from './operations.ts'
import { stopFaas } from './stop-faas.ts'

/** @returns what was done, in a home where nothing is running */
async function run(command: Command, args: Record<string, unknown>): Promise<string[]> {
  const home = await mkdtemp(join(tmpdir(), 'ryo-faas-asking-'))
  onTestFinished(() => rm(home, { recursive: true }))
  const done: string[] = []
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const client = {
    call: async (name: string) => {
      done.push(name)
      return { removed: [] }
    },
  }
  const context = {
    home,
    stdin,
    output: new Output({ stdout, stderr, environment: {} } as never, false),
    signal: new AbortController().signal,
    connect: async () => client,
    removeStopped: async () => done.push('removeStopped') > 0,
  } as unknown as Context
  const refused = await command.run(args, context).catch((error: unknown) => error)
  if (refused === undefined) return done
  expect(done).toEqual([])
  throw refused
}

test.each([
  ['stopFaas --prune', stopFaas, { prune: true }, 'removeStopped'],
  ['reset', reset, {}, 'reset'],
])('%s', async (_, command, args, deed) => {
  await expect(run(command, args)).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    hint: 'Add --yes to confirm.',
  })
  expect(await run(command, { ...args, yes: true })).toEqual([deed])
})

test('stopFaas alone keeps all data and does not ask', async () => {
  expect(await run(stopFaas, {})).toEqual([])
})
