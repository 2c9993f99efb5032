import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { hashOf } from '../access/index.ts'
import { CallerKeys } from './caller-keys.ts'
import { StateStore } from './state/index.ts'

async function open() {
  const folder = await mkdtemp(join(tmpdir(), 'rfa-keys-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'state.json')
  const state = await StateStore.open(path)
  const published: string[][] = []
  const used: Record<string, number> = {}
  let isDown = false
  const keys = new CallerKeys({
    state,
    publish: async () => void published.push(Object.keys(state.current.keys)),
    uses: async () => {
      if (isDown) throw new Error('the proxy is down')
      return used
    },
  })
  onTestFinished(() => keys.close())
  return { path, state, keys, published, used, down: () => (isDown = true) }
}

test('a key is shown once; what is kept is its hash, also after a restart', async () => {
  const { path, keys, published } = await open()
  const { key, view } = await keys.create({ name: 'Ann', expiresAt: '2030-01-01T00:00:00.000Z' })
  expect(view).toMatchObject({ name: 'Ann', expiresAt: '2030-01-01T00:00:00.000Z' })
  expect(JSON.stringify(await keys.list())).not.toMatch(/hash|ryofaas_/)
  expect(published).toEqual([[view.id]])
  const text = await readFile(path, 'utf8')
  expect(text).not.toContain(key)
  expect(text).toContain(hashOf(key))
  expect((await StateStore.open(path)).current.keys[view.id]).toMatchObject({ name: 'Ann' })
})

test('a key is revoked by name or id, and published before that resolves', async () => {
  const { keys, published } = await open()
  const [ann, bob, bobToo] = [
    (await keys.create({ name: 'Ann' })).view,
    (await keys.create({ name: 'Bob' })).view,
    (await keys.create({ name: 'Bob' })).view,
  ]
  expect(await keys.revoke('Ann')).toMatchObject({ id: ann.id })
  expect(published.at(-1)).toEqual([bob.id, bobToo.id])
  await expect(keys.revoke('Bob')).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
  await keys.revoke(bob.id)
  await expect(keys.revoke('Bop')).rejects.toMatchObject({ code: 'KEY_NOT_FOUND', hint: 'Did you mean "Bob"?' })
  expect((await keys.list()).map(({ id }) => id)).toEqual([bobToo.id])
  await expect(keys.create({ name: 'Eve', functions: ['nothing'] })).rejects.toMatchObject({
    code: 'DEPLOYMENT_NOT_FOUND',
  })
})

test('the last use is what the proxies know, and stays when they are gone', async () => {
  const { keys, used, down } = await open()
  const { view } = await keys.create({ name: 'Ann' })
  expect((await keys.list())[0]).not.toHaveProperty('usedAt')
  used[view.id] = Date.parse('2026-05-01T10:00:00.000Z')
  expect((await keys.list())[0]).toMatchObject({ usedAt: '2026-05-01T10:00:00.000Z' })
  used[view.id] = Date.parse('2026-04-01T10:00:00.000Z')
  expect((await keys.list())[0]).toMatchObject({ usedAt: '2026-05-01T10:00:00.000Z' })
  down()
  expect((await keys.list())[0]).toMatchObject({ usedAt: '2026-05-01T10:00:00.000Z' })
})
