import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ensureSecrets } from './ensured-secrets.ts'

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'rfa-secrets-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

it('an agent that takes over a running platform keeps its keys', async () => {
  const first = await ensureSecrets(home, { keep: false })
  expect(await ensureSecrets(home, { keep: true })).toEqual(first)
})

it('a new start has new keys, but the same callback secret', async () => {
  const first = await ensureSecrets(home, { keep: false })
  const second = await ensureSecrets(home, { keep: false })
  for (const name of ['operator', 'part', 'functions'] as const) expect(second.keys[name]).not.toBe(first.keys[name])
  expect(second.callbackSecret).toBe(first.callbackSecret)
  expect(second.proxyKey).toBe(first.proxyKey)
})

it('no other user can read them', async () => {
  await ensureSecrets(home, { keep: false })
  for (const name of ['token', 'dispatch-token', 'functions-key', 'callback-secret', 'proxy-key']) {
    expect((await stat(join(home, name))).mode & 0o777).toBe(0o600)
  }
})
