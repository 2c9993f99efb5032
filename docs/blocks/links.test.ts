/** Links between pages, without building the site: `agent/test/docs/site.test.ts` does, and compares. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { DOCS } from './page.ts'

test('every link between pages leads to a page, and to a place in it', async () => {
  const all = await readdir(DOCS, { recursive: true })
  const files = all.filter(file => file.endsWith('.md') && !file.includes('node_modules')).map(file => join(DOCS, file))
  const pages = new Map(await Promise.all(files.map(async file => [file, await textOf(file)] as const)))
  const lost: string[] = []
  let count = 0
  for (const [file, text] of pages) {
    const prose = text.replace(/^ *(`{3,})[^]*?^ *\1$/gm, '').replace(/`[^`\n]*`/g, '')
    for (const [, link] of prose.matchAll(/\]\((?!\w+:)([^)\s]+)\)/g)) {
      count += 1
      const [path, anchor] = link!.split('#') as [string, string?]
      const target = path === '' ? file : path.startsWith('/') ? join(DOCS, path) : join(dirname(file), path)
      const page = pages.get(target)
      const isThere = page === undefined ? anchor === undefined && existsSync(target) : hasPlace(page, anchor)
      if (!isThere) lost.push(`${file.slice(DOCS.length)} → ${link}`)
    }
  }
  expect(lost).toEqual([])
  expect(count).toBeGreaterThan(300)
})

/** With what it includes. */
async function textOf(file: string): Promise<string> {
  const text = await readFile(file, 'utf8')
  const [included, path] = /<!--@include: ([^\s#]+)\S* *-->/.exec(text) ?? []
  return included === undefined ? text : text.replace(included, await readFile(join(dirname(file), path!), 'utf8'))
}

function hasPlace(page: string, anchor: string | undefined): boolean {
  if (anchor === undefined) return true
  const headings = page.replace(/^ *(`{3,})[^]*?^ *\1$/gm, '').matchAll(/^#+ (.+?)(?: \{#(.+)\})?$/gm)
  return [...headings].some(([, text, id]) => (id ?? slugOf(text!)) === anchor)
}

/** As VitePress makes it. */
function slugOf(heading: string): string {
  const text = heading.replace(/\[([^\]]+)\]\([^)]*\)/g, '$1').normalize('NFKD')
  return text
    .replace(/[\u0300-\u036F]/g, '')
    .replace(/[\s~`!@#$%^&*()\-_+=[\]{}|\\;:"'“”‘’<>,.?/]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .replace(/^(\d)/, '_$1')
    .toLowerCase()
}
