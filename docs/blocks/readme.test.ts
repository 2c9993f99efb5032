import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

const README = new URL('../../README.md', import.meta.url)

test('README is short, and its links lead to files', async () => {
  const text = await readFile(README, 'utf8')
  expect(text.split('\n').length).toBeLessThan(80)
  const links = [...text.matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, path]) => path!)
  expect(links.length).toBeGreaterThan(15)
  expect(links.filter(path => !existsSync(new URL(path, README)))).toEqual([])
})
