/** The example in containers, as its README describes it: a long job, and a receiver that checks the signature. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EXAMPLES, TestPlatform } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { AsyncClient } from './async-client.ts'

let platform: TestPlatform
let client: AsyncClient
beforeAll(async () => {
  platform = await TestPlatform.make()
  client = new AsyncClient((await platform.start('docker', ['--callback-allow', '127.0.0.1'])).proxyUrl)
  await platform.ok(['deploy', join(EXAMPLES, 'async')])
})
afterAll(() => platform.remove())

test('the example responds at once, logs its progress, and its receiver accepts the signature', async () => {
  const { callbackSecret } = JSON.parse(await platform.ok(['env', '--secrets', '--json'])) as { callbackSecret: string }
  const receiver = spawn(process.execPath, [join(EXAMPLES, 'async/receiver.js'), '0'], {
    env: { ...process.env, RYO_FAAS_CALLBACK_SECRET: callbackSecret },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let printed = ''
  receiver.stdout.on('data', (text: Buffer) => (printed += text.toString()))
  try {
    const url = await until(async () => /callbacks to (\S+)/.exec(printed)?.[1])
    const callId = await client.queue('methodasync', { body: 'report', headers: { 'x-callback-url': url } })
    const { status, result } = await client.untilOver(callId)
    expect([status, JSON.parse(result!.body!)]).toEqual([
      'succeeded',
      { callId, attempt: 1, steps: 4, input: 'report' },
    ])
    await expect.poll(() => platform.ok(['logs', 'MethodAsync'])).toMatch(/step 1 of 4[^]*step 4 of 4/)
    await until(async () => printed.includes('signature valid') || undefined)
    expect(printed).toContain(`MethodAsync answered 200 to call ${callId}`)
  } finally {
    receiver.kill()
  }
})
