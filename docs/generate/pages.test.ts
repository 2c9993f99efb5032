import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { generatePages, REFERENCE } from './pages.ts'

test('the pages of the reference say what the code says; npm run docs:generate renews them', async () => {
  for (const [name, text] of await generatePages())
    expect([name, await readFile(new URL(name, REFERENCE), 'utf8')]).toEqual([name, text])
})
