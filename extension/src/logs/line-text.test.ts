import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { isForeignFrame, lineText } from './line-text.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ryo-faas-lines-')))
const filePath = join(folder, 'src', 'hello.ts')
mkdirSync(join(folder, 'src'))
writeFileSync(filePath, '')
afterAll(() => rmSync(folder, { recursive: true }))

/** Noon here, wherever that is. */
const time = new Date(2026, 0, 2, 12, 4, 5, 678).toISOString().replace('Z', '901234Z')
const text = (line: string, hasSeveral = false) =>
  lineText({ time, stream: 'stderr', instance: 'a1', line }, { hasSeveral, filePath })

test('a line has its time, its level, and its instance if there are several', () => {
  expect(text('hello')).toBe('2026-01-02 12:04:05.678 [error] hello')
  expect(text('hello', true)).toBe('2026-01-02 12:04:05.678 [error] a1 hello')
})

test('a level that the line says itself is not said twice', () => {
  expect(text('WARN  [order-7] again')).toBe('2026-01-02 12:04:05.678 [warning] [order-7] again')
  expect(text('INFO is a word')).toBe('2026-01-02 12:04:05.678 [error] INFO is a word')
})

test.each(['src/hello.ts', './src/hello.ts', '/app/src/hello.ts', '/nowhere/deployments/hello/3/app/src/hello.ts'])(
  'a frame in %s leads to the source',
  path => {
    expect(text(`    at hello (${path}:3:9)`)).toContain(`at hello (${filePath}:3:9)`)
    expect(text(`    at ${path}:3:9`)).toContain(`at ${filePath}:3:9`)
  },
)

test('frames of what is not there stay as they are', () => {
  expect(text('    at f (/app/other.ts:1:1)')).toContain('(/app/other.ts:1:1)')
})

test('frames of the platform and of Node are told from those of the user', () => {
  expect(isForeignFrame({ line: '    at run (file:///x/app/exported_Hello.mjs:2607:14)' })).toBe(true)
  expect(isForeignFrame({ line: '    at run (/x/app/ryo-faas-runtime.cjs:2:140)' })).toBe(true)
  expect(isForeignFrame({ line: '    at Server.emit (node:events:524:28)' })).toBe(true)
  expect(isForeignFrame({ line: '    at hello (/x/app/src/hello.ts:1:2)' })).toBe(false)
  expect(isForeignFrame({ line: 'look at node:events:1:1' })).toBe(false)
})
