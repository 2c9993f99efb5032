import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { removeData } from './home-data.ts'

test('removes what is ours, half written or whole, and nothing else', async () => {
  const home = mkdtempSync(join(tmpdir(), 'ryo-faas-data-'))
  try {
    for (const name of ['state.json', 'state.json.17.0a1b2c3d.tmp', 'token', 'notes.txt', 'state.json.old']) {
      writeFileSync(join(home, name), '')
    }
    mkdirSync(join(home, 'store', 'data'), { recursive: true })
    mkdirSync(join(home, 'project'))
    await removeData(home)
    expect(readdirSync(home).sort()).toEqual(['notes.txt', 'project', 'state.json.old'])
    await removeData(home)
  } finally {
    rmSync(home, { recursive: true })
  }
})
