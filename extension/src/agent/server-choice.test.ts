import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ServerChoice } from './server-choice.ts'

let home: string
beforeEach(async () => void (home = await mkdtemp(join(tmpdir(), 'ryo-faas-choice-'))))
afterEach(() => rm(home, { recursive: true }))

const server = (name: string) => ({ kind: 'https', url: `https://${name}.example`, token: 'secret', addedAt: '' })
const write = (current?: string) =>
  writeFile(
    join(home, 'servers.json'),
    JSON.stringify({ format: 1, ...(current && { current }), servers: { shop: server('shop'), prod: server('prod') } }),
  )

function choiceWith(environment: NodeJS.ProcessEnv = {}, kept: Record<string, unknown> = {}): ServerChoice {
  const memory = {
    get: (key: string) => kept[key] as never,
    update: async (key: string, value: unknown) => void (kept[key] = value),
  }
  return new ServerChoice({ home, environment, memory })
}

test('until one is chosen here, it is the one of the command line, also when that changes', async () => {
  const choice = choiceWith()
  expect((await choice.machine()).server).toBeUndefined()
  await write('shop')
  const first = await choice.machine()
  expect(first.server).toBe('shop')
  await write('prod')
  expect((await choice.machine()).server).toBe('prod')
  await write()
  expect((await choice.machine()).server).toBeUndefined()
  expect((await choiceWith({ RYO_FAAS_SERVER: 'prod' }).machine()).server).toBe('prod')
})

test('what is chosen here holds, is remembered, and is told', async () => {
  await write('prod')
  const kept = {}
  const choice = choiceWith({ RYO_FAAS_SERVER: 'prod' }, kept)
  let told = 0
  const listening = choice.onChange(() => told++)
  await choice.choose('shop')
  expect([(await choice.machine()).server, told]).toEqual(['shop', 1])
  await choice.choose('local')
  listening.dispose()
  expect((await choiceWith({ RYO_FAAS_SERVER: 'prod' }, kept).machine()).server).toBeUndefined()
  await choice.choose(undefined)
  expect([(await choice.machine()).server, told]).toEqual(['prod', 2])
})

test('a machine is the same until another one is meant', async () => {
  await write('shop')
  const choice = choiceWith()
  const [first, again] = [await choice.machine(), await choice.machine()]
  expect(again.key).toBe(first.key)
  const moved = { format: 1, current: 'shop', servers: { shop: { ...server('shop'), token: 'another' } } }
  await writeFile(join(home, 'servers.json'), JSON.stringify(moved))
  expect((await choice.machine()).key).not.toBe(first.key)
})

test('one that was removed, or a list that cannot be read, is never this machine instead', async () => {
  await write()
  const choice = choiceWith()
  await choice.choose('gone')
  const gone = await choice.machine()
  expect(gone.server).toBe('gone')
  await expect(gone.connect()).rejects.toMatchObject({ code: 'SERVER_NOT_FOUND' })
  await expect(gone.browserDoor()).rejects.toMatchObject({ code: 'SERVER_NOT_FOUND' })
  await writeFile(join(home, 'servers.json'), '{"format":1,"servers":')
  await expect((await choice.machine()).forward(1)).rejects.toMatchObject({ code: 'HOME_UNUSABLE' })
})

test('a port of a server that is known by its address only cannot be reached', async () => {
  await write('shop')
  const machine = await choiceWith().machine()
  await expect(machine.forward(9229)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  expect(await machine.browserDoor()).toEqual({ url: 'https://shop.example', token: 'secret' })
})
