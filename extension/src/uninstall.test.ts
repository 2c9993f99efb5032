import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import { homeFrom, homePaths } from 'ryo-faas/client'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

let folder: string
let home: string
let script: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ryo-faas-uninstall-'))
  script = join(folder, 'uninstall.mjs')
  buildSync({ entryPoints: [fileURLToPath(new URL('uninstall.ts', import.meta.url))], outfile: script })
  home = homeFrom({ RYO_FAAS_HOME: join(folder, 'home') })
})
afterAll(() => rmSync(folder, { recursive: true }))

beforeEach(() => {
  rmSync(home, { recursive: true, force: true })
  for (const path of ['agents/build/agent/bundle/main/cli.js', 'store/data.mdb']) write(join(home, path))
})

function write(path: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, '{}')
}

function uninstall(): void {
  const { status, stderr } = spawnSync(process.execPath, [script], { env: { RYO_FAAS_HOME: home }, encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, ''])
}

test('without a platform the copies of the agent go, and data stays', () => {
  uninstall()
  expect([existsSync(join(home, 'agents')), existsSync(join(home, 'store', 'data.mdb'))]).toEqual([false, true])
  uninstall()
})

test.each(['agentFile', 'options'] as const)('a platform that is running keeps its agent, as its %s tells', name => {
  write(homePaths(home)[name])
  uninstall()
  expect(existsSync(join(home, 'agents', 'build'))).toBe(true)
})
