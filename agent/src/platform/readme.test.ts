/** README and code agree. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { ERRORS } from '../contract/index.ts'
import { OPTION_HELP, PlatformOptions, flagOf, variableOf } from './options.ts'

const README = new URL('../../../README.md', import.meta.url)

/** The rows that README must contain, in this order. */
function optionRows(): string[] {
  const defaults = PlatformOptions.parse({})
  return Object.entries(OPTION_HELP).map(([name, help]) => {
    const value = String(defaults[name as keyof PlatformOptions])
    return `| \`${flagOf(name)}\` | \`${variableOf(name)}\` | \`${value}\` | ${help} |`
  })
}

function errorRows(): string[] {
  return Object.entries(ERRORS).map(([code, { status, about }]) => `| \`${code}\` | ${status} | ${about} |`)
}

test('README lists every option and every error code of the agent', async () => {
  const text = await readFile(README, 'utf8')
  expect(text).toContain(['| flag | variable | default | |', '|---|---|---|---|', ...optionRows()].join('\n'))
  expect(text).toContain(['| code | status | |', '|---|---|---|', ...errorRows()].join('\n'))
})
