/** The example of document events in containers: they reach the store, and events reach them. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestPlatform } from '../support/platform.ts'
import { invoiced, pay, printed, SHOP } from './shop.ts'

let platform: TestPlatform
beforeAll(async () => {
  platform = await TestPlatform.make()
  await platform.start('docker')
})
afterAll(() => platform.remove())

test('the shop as one service in a container', async () => {
  await platform.ok(['deploy', SHOP])
  const id = await pay(platform, 'database-events/pay', 'Ada')
  await invoiced(platform, id)
  const lines = await printed(platform, 'Database-events', { id, lines: 4 })
  expect(lines.map(line => line.split(' ')[0])).toEqual(['pay', 'invoice', 'update', 'e-mail'])
})
