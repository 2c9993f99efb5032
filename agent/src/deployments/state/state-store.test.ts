import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { StateStore } from './state-store.ts'
import { deploymentIn } from './state.ts'

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-state-'))
  path = join(folder, 'state.json')
})
afterEach(() => rm(folder, { recursive: true }))

test('starts empty and reads what was written', async () => {
  const store = await StateStore.open(path)
  expect(store.current.deployments).toEqual({})
  await store.update(state => void (state.ports['proxy'] = 9999))
  expect((await StateStore.open(path)).current.ports).toEqual({ proxy: 9999 })
})

test('concurrent updates are all applied, one after another', async () => {
  const store = await StateStore.open(path)
  await Promise.all(
    Array.from({ length: 50 }, () => store.update(state => void (state.ports['n'] = (state.ports['n'] ?? 0) + 1))),
  )
  expect(JSON.parse(await readFile(path, 'utf8')).ports.n).toBe(50)
  expect(await readdir(folder)).toEqual(['state.json'])
})

test('a change that throws changes nothing and does not stop the next', async () => {
  const store = await StateStore.open(path)
  const failing = store.update(state => {
    state.ports['x'] = 1
    throw new Error('no')
  })
  const next = store.update(state => void (state.ports['y'] = 2))
  await expect(failing).rejects.toThrow('no')
  await next
  expect(store.current.ports).toEqual({ y: 2 })
})

test('a state that cannot be written is also rolled back in memory', async () => {
  const store = await StateStore.open(path)
  await rm(folder, { recursive: true })
  await writeFile(folder, 'a file where the folder was')
  await expect(store.update(state => void (state.ports['x'] = 1))).rejects.toMatchObject({ code: 'HOME_UNUSABLE' })
  expect(store.current.ports).toEqual({})
})

test('a damaged file is set aside and reported', async () => {
  await writeFile(path, '{"format":1,')
  await expect(StateStore.open(path)).rejects.toMatchObject({ code: 'HOME_UNUSABLE' })
  expect(await readdir(folder)).toEqual([expect.stringMatching(/^state\.json\.damaged-/)])
  expect((await StateStore.open(path)).current.deployments).toEqual({})
})

test('a deployment may have the name of a property that every object has', async () => {
  const store = await StateStore.open(join(folder, 'names.json'))
  expect(['constructor', '__proto__', 'valueof'].map(route => store.deployment(route))).toEqual([
    undefined,
    undefined,
    undefined,
  ])
  expect(deploymentIn(store.current, 'constructor')).toBeUndefined()
})
