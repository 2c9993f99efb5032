/** Layers between folders are a lint rule; within a folder, and of types too, imports go one way as well. */
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('.', import.meta.url))
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(path => path.endsWith('.ts'))

function importsOf(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8')
  return [...text.matchAll(/\bfrom '(\.[^']+)'/g)].map(([, to]) => relative(root, resolve(root, dirname(path), to!)))
}

test('no file imports itself by way of others', () => {
  const imports = new Map(files.map(path => [path, importsOf(path)]))
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (path: string, way: string[]): void => {
    if (way.includes(path)) cycles.push([...way.slice(way.indexOf(path)), path].join(' -> '))
    if (way.includes(path) || done.has(path)) return
    for (const next of imports.get(path) ?? []) visit(next, [...way, path])
    done.add(path)
  }
  for (const path of files) visit(path, [])
  expect(files).toContain('extension.ts')
  expect(cycles).toEqual([])
})
