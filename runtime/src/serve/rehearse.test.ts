import { expect, test } from 'vitest'
import { rehearse } from './rehearse.ts'

const sockets = () => process.getActiveResourcesInfo().filter(name => /TCP/.test(name)).length

test('it ends, and leaves no socket open', async () => {
  const before = sockets()
  await rehearse()
  expect(sockets()).toBe(before)
})
