import { readFile } from 'node:fs/promises'
import { PLATFORM_ERRORS } from '../../runtime/src/protocol/index.ts'
import { expect, test } from 'vitest'
import { ERRORS } from '../../agent/src/contract/index.ts'
import { STORE_ERRORS } from '../../runtime/src/documents/index.ts'
import { DOCS } from './page.ts'

test('every error code has its cause and what to do in Troubleshooting, once', async () => {
  const page = await readFile(`${DOCS}troubleshooting.md`, 'utf8')
  const sections = [...page.matchAll(/^### ([A-Z][A-Z0-9_]+)\n\n(.+)/gm)]
  const headings = sections.map(([, code]) => code!)
  const codes = [...new Set([ERRORS, PLATFORM_ERRORS, STORE_ERRORS].flatMap(table => Object.keys(table)))]
  expect(headings).toEqual([...new Set(headings)])
  expect(codes.filter(code => !headings.includes(code))).toEqual([])
  for (const [, code, text] of sections) expect([code, text!.length > 40]).toEqual([code, true])
})
