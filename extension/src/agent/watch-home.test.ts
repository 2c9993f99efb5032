import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { watchHome } from './watch-home.ts'
import { until } from '../testing/until.ts'

let folder: string
let home: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ryo-faas-watch-'))
  home = join(folder, 'home')
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('tells of an agent whose home was not there, of a list of servers, of their end, and of nothing after it was disposed of', async () => {
  const told = vi.fn()
  const watch = watchHome(home, told, 5)
  const begin = () => {
    mkdirSync(home)
    writeFileSync(join(home, 'agent.json'), '{}')
  }
  // Node tells once of each file that is not there.
  await until(() => told.mock.calls.length === 2)
  begin()
  await until(() => told.mock.calls.length === 3)
  writeFileSync(join(home, 'servers.json'), '{}')
  await until(() => told.mock.calls.length === 4)
  rmSync(home, { recursive: true })
  await until(() => told.mock.calls.length === 6)

  const other = vi.fn()
  const second = watchHome(home, other, 5)
  watch.dispose()
  begin()
  await until(() => other.mock.calls.length === 1)
  second.dispose()
  expect(told).toHaveBeenCalledTimes(6)
})
