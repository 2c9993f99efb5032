import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { Output } from './output.ts'

function stage(environment: NodeJS.ProcessEnv) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const output = new Output({ stdout, stderr, environment } as never, true)
  const progress = output.progress('looking at host')
  progress.update('starting the platform')
  progress.stop()
  output.value({ name: 'shop' })
  return [stdout, stderr].map(stream => String((stream.read() as Buffer | null) ?? ''))
}

test('with --json, steps are for programs that ask for them, and never among the result', () => {
  const [result] = stage({})
  expect(JSON.parse(result!)).toEqual({ name: 'shop' })
  expect(stage({})[1]).toBe('')
  expect(stage({ RYO_FAAS_STEPS: '1' })).toEqual([result, 'looking at host\nstarting the platform\n'])
})

test('on a terminal of no width, as some programs open one, progress is lines', () => {
  const stderr = Object.assign(new PassThrough(), { isTTY: true, columns: 0 })
  const output = new Output({ stdout: new PassThrough(), stderr, environment: {} } as never, false)
  const progress = output.progress('deploying')
  progress.show('building Hello')
  progress.update('uploading')
  progress.stop()
  expect(String(stderr.read())).toMatch(/deploying\n.*uploading\n$/s)
  expect(String(stderr.read())).not.toContain('building')
})
