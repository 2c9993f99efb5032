import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ProcessPart } from './index.ts'

async function makePart(isOurs: () => boolean) {
  const home = await mkdtemp(join(tmpdir(), 'rfa-part-'))
  const part = new ProcessPart({
    name: 'proxy',
    home,
    command: process.execPath,
    args: ['-e', 'setInterval(() => {}, 1000)'],
    env: {},
    graceMs: 5_000,
    mayAdopt: async () => isOurs(),
    probe: async () => '',
  })
  onTestFinished(async () => {
    await part.stop()
    await rm(home, { recursive: true })
  })
  return part
}

test('a part that runs is adopted, unless it cannot be worked with: then it is ended and started afresh', async () => {
  let isOurs = true
  const part = await makePart(() => isOurs)
  const first = await part.ensure()
  expect((await part.ensure()).pid).toBe(first.pid)
  isOurs = false
  const second = await part.ensure()
  expect(second.pid).not.toBe(first.pid)
  await first.gone
})
