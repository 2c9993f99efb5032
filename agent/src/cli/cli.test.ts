import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test, vi } from 'vitest'
import { runCli } from './cli.ts'
import type { CliHost } from './context.ts'
import { commandNames, loadAll } from './command-table.ts'
import { overview } from './help.ts'
import { Output, type Streams } from './output.ts'

const START_FLAGS = [{ name: 'proxyPort', help: 'Port of the proxy', default: 9999, variable: 'RYO_FAAS_PROXY_PORT' }]

/** What a command line prints in a home where nothing is running. */
async function run(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  // yargs itself prints to the console.
  const said: string[] = []
  const log = vi.spyOn(console, 'log').mockImplementation((line: string) => void said.push(line))
  onTestFinished(() => log.mockRestore())
  const host = {
    version: '1.2.3',
    home: '/nowhere/ryo-faas',
    environment: {},
    platformFlags: async () => START_FLAGS,
  } as unknown as CliHost
  const streams = { stdout, stderr, environment: {} } as unknown as Streams
  const code = await runCli({ argv, host, signal: new AbortController().signal, ...streams })
  stdout.end()
  stderr.end()
  return { code, stdout: said.join('\n') + (await text(stdout)), stderr: await text(stderr) }
}

test('without a command it shows every command in its group', async () => {
  const { code, stdout } = await run()
  expect(code).toBe(0)
  for (const name of commandNames()) expect(stdout).toMatch(new RegExp(`^  ${name}( .*)?  \\S`, 'm'))
  expect(stdout).toMatch(/^Platform\n {2}startFaas/m)
})

test('the help fits a narrow terminal', async () => {
  const lines = overview(
    await loadAll(),
    new Output({ stdout: { columns: 60 }, environment: {} } as never, false),
  ).split('\n')
  expect(lines.filter(line => line.length > 60)).toEqual([])
})

test('the help of a command has examples', async () => {
  expect((await run('help', 'dev')).stdout).toMatch(/Examples:\n\s+ryo-faas dev /)
})

test('a cancelled command exits as a shell expects it', async () => {
  const abort = new AbortController()
  abort.abort()
  const streams = { stdout: new PassThrough(), stderr: new PassThrough(), environment: {} } as unknown as Streams
  const host = {
    home: '/nowhere/ryo-faas',
    cwd: '/nowhere',
    platformFlags: async () => START_FLAGS,
  } as unknown as CliHost
  expect(await runCli({ argv: ['startFaas'], host, signal: abort.signal, ...streams })).toBe(130)
})

test.each([
  [{}, false, false],
  [{}, true, true],
  [{ TERM: 'dumb' }, true, false],
  [{ NO_COLOR: '1' }, true, false],
  [{ FORCE_COLOR: '1' }, false, true],
  [{ FORCE_COLOR: '0' }, true, false],
])('colours with %j on a terminal: %j → %j', (environment, isTTY, isColored) => {
  const output = new Output({ stdout: { isTTY }, stderr: {}, environment } as never, false)
  expect(output.colors.isColorSupported).toBe(isColored)
})

test('help and version work under their usual names', async () => {
  expect((await run('help', 'scale')).stdout).toContain('ryo-faas scale <name> <instances>')
  for (const name of ['version', '-v', '--version']) expect((await run(name)).stdout).toBe('1.2.3')
})

test.each([
  ['up', 'startFaas'],
  ['start', 'startFaas'],
  ['STARTFAAS', 'startFaas'],
  ['down', 'stopFaas'],
])('%s is %s', async (word, command) => {
  for (const args of [
    [word, '--help'],
    ['help', word],
  ]) {
    expect((await run(...args)).stdout).toContain(`ryo-faas ${command}\n`)
  }
})

test('completion offers flags after a name, and the actions of a command', async () => {
  const complete = async (...words: string[]) =>
    (await run('--get-yargs-completions', 'ryo-faas', ...words)).stdout.split('\n')
  expect(await complete('logs', '--fo')).toContain('--follow')
  expect(await complete('store', '')).toContain('backup')
  expect(await complete('st')).toContain('startFaas')
})

test('completing the name of a deployment prints nothing if nothing is running', async () => {
  expect(await run('--get-yargs-completions', 'ryo-faas', 'details', '')).toEqual({ code: 0, stdout: '', stderr: '' })
})

test.each([
  ['scale', '<name> is missing', 'Usage: ryo-faas scale <name> <instances>'],
  ['scale hello', '<instances> is missing', 'Usage: ryo-faas scale <name> <instances>'],
  ['scale hello 2 3', 'unexpected argument "3"', 'Usage: ryo-faas scale <name> <instances>'],
  ['scale hello two', '<instances> must be a number or auto', 'Usage: ryo-faas scale <name> <instances>'],
  ['scale hello --instnces 2', 'unknown option --instnces', 'Did you mean --instances?'],
  ['stop', '<names> is missing', 'Usage: ryo-faas stop <names..>'],
  ['calls --functon hello', 'unknown option --functon', 'Did you mean --function?'],
  ['calls -q', 'unknown option -q', 'ryo-faas calls --help shows its options.'],
  ['calls --limit many', '--limit must be a number', 'Usage: ryo-faas calls [action] [ids..]'],
  ['calls redrve', '<action> cannot be "redrve"', 'Did you mean redrive?'],
  ['calls --status odd', '--status cannot be "odd"', 'Use one of queued, running, succeeded, failed, dead, cancelled.'],
  ['store put a --data', '--data needs a value', 'ryo-faas store --help shows its options.'],
  ['depoy', 'unknown command "depoy"', 'Did you mean deploy?'],
  ['frobnicate', 'unknown command "frobnicate"', 'ryo-faas --help lists the commands.'],
  ['startFaas --proxy-prt 1', 'unknown option --proxy-prt', 'Did you mean --proxy-port?'],
])('%s: %s', async (line, message, hint) => {
  const { code, stdout, stderr } = await run(...line.split(' '))
  expect([code, stdout, stderr]).toEqual([1, '', `error ${message} [INVALID_OPTION]\n  ${hint}\n`])
})

test('it speaks English whatever the locale of the shell', async () => {
  vi.stubEnv('LC_ALL', 'de_DE.UTF-8')
  onTestFinished(() => void vi.unstubAllEnvs())
  expect((await run('scale')).stderr).toContain('<name> is missing')
  expect((await run('help', 'scale')).stdout).toContain('Options:')
})
