/** What is in the package, and what is not. */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { bed } from './bed/bed.ts'

async function installed(): Promise<string> {
  const { extensions } = await bed()
  const name = (await readdir(extensions)).find(found => /ryo-faas/.test(found))
  return join(extensions, name!)
}

test('the licences of everything that is bundled come with it', async () => {
  const notices = await readFile(join(await installed(), 'THIRD-PARTY-NOTICES.txt'), 'utf8')
  const listed = [...notices.split('-'.repeat(80))[0]!.matchAll(/^ {2}(\S+ \S+)$/gm)].map(([, name]) => name!)
  const sectionOf = (name: string) => notices.split(`${'-'.repeat(80)}\n\n${name}\n`)[1] ?? ''
  for (const name of listed) expect(sectionOf(name), name).toMatch(/^Licence: \S/)
  for (const name of ['esbuild', 'ts-morph', 'typescript', 'fastify', 'lmdb', 'zod', 'preact', 'uplot', 'nats']) {
    const found = listed.find(other => other.startsWith(`${name} `)) ?? name
    expect(sectionOf(found).slice(0, 2_000), name).toMatch(/Permission is hereby granted|Apache License/)
  }
})

test('what the editor runs when it uninstalls the extension is there, and the scripts of developers are not', async () => {
  const folder = await installed()
  const { scripts } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { scripts: object }
  expect(scripts).toEqual({ 'vscode:uninstall': 'node ./dist/uninstall.mjs' })
  expect(await readFile(join(folder, 'dist', 'uninstall.mjs'), 'utf8')).not.toMatch(/from "(?!node:)/)
})

test('tests of packages do not come with it, nor do source maps', async () => {
  const files = await readdir(await installed(), { recursive: true })
  expect(files.filter(file => /(?:^|[\\/])(?<!kit[\\/])test[.-][^\\/]*\.[cm]?js$|\.map$/.test(file))).toEqual([])
})
