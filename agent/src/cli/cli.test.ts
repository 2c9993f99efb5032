import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test, vi } from 'vitest'
import { runCli } from './cli.ts'
import type { CliHost } from './context.ts'
import type { Streams } from './output.ts'

/** What a command line prints, in a home in which nothing runs. */
async function run(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  // The parser itself speaks by the console.
  const said: string[] = []
  const log = vi.spyOn(console, 'log').mockImplementation((line: string) => void said.push(line))
  onTestFinished(() => log.mockRestore())
  const host = { version: '1.2.3', home: '/nowhere/ryo-faas', platformFlags: [] } as unknown as CliHost
  const streams = { stdout, stderr, environment: {} } as unknown as Streams
  const code = await runCli({ argv, host, signal: new AbortController().signal, ...streams })
  stdout.end()
  stderr.end()
  return { code, stdout: said.join('\n') + (await text(stdout)), stderr: await text(stderr) }
}

test('without a command it shows what there is', async () => {
  const { code, stdout } = await run()
  expect([code, stdout]).toEqual([0, expect.stringContaining('ryo-faas startFaas') as string])
})

test('help and version are found under their usual names', async () => {
  expect((await run('help', 'scale')).stdout).toContain('ryo-faas scale <name> <instances>')
  for (const name of ['version', '-v', '--version']) expect((await run(name)).stdout).toBe('1.2.3')
})

test('a shell that completes the name of a deployment is answered, with nothing if nothing runs', async () => {
  expect(await run('--get-yargs-completions', 'ryo-faas', 'details', '')).toEqual({ code: 0, stdout: '', stderr: '' })
})

test('an option without the value that it needs is a mistake of the command line, and is named', async () => {
  const { code, stderr } = await run('check', '--only')
  expect([code, stderr]).toEqual([1, expect.stringMatching(/only.* \[INVALID_OPTION\]\n/)])
  expect(stderr).not.toContain('YError')
})
