import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { answerProof } from '../../contract/index.ts'
import type { Context } from '../context.ts'
import { Output } from '../output.ts'
import { startFaas } from './start-faas.ts'

/** What it prints when a platform with these differing options is already running. */
async function start(differing: string[], host?: string): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'ryo-faas-start-'))
  const server = createServer((request, response) => {
    const proof = answerProof('secret', { url: request.url!, port: request.socket.localPort! })
    const platform = { project: 'rfa', home, version: '0', engine: 'process', engineNote: '', parts: [] }
    const ready = { ...platform, proxyUrl: 'http://127.0.0.1:9999', host, phase: { kind: 'ready' } }
    response.end(proof ?? JSON.stringify(ready))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await rm(home, { recursive: true })
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const agent = { url, pid: process.pid, startedAt: 'x', project: 'rfa', version: '0' }
  await writeFile(join(home, 'token'), 'secret')
  await writeFile(join(home, 'agent.json'), JSON.stringify(agent))
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  await startFaas.run({ engine: 'docker' }, {
    home,
    output: new Output({ stdout, stderr, environment: {} } as never, false),
    signal: new AbortController().signal,
    differingFlags: async () => differing,
  } as unknown as Context)
  stdout.end()
  return text(stdout)
}

test('a platform already running with the same options is reported', async () => {
  expect(await start([])).toContain('project rfa, is already running')
})

test('one running with different options is left alone; the error names them and the fix', async () => {
  await expect(start(['--engine', '--host'])).rejects.toMatchObject({
    code: 'ALREADY_RUNNING',
    message: 'ryo-faas is already running with a different --engine, --host',
    hint: 'Run ryo-faas stopFaas first; functions and data are kept.',
  })
})

test.each(['0.0.0.0', '::', '192.0.2.7', 'box.lan'])(
  'it warns who can call functions when listening on %s',
  async host => {
    const lines = (await start([], host)).split('\n').filter(line => line.startsWith('--host'))
    expect(lines).toEqual([
      expect.stringContaining(
        `--host ${host}: anyone who can reach this address can call the functions whose "access"`,
      ),
    ])
  },
)

test.each(['127.0.0.1', '::1', 'localhost', undefined])('it does not warn about %s', async host => {
  expect(await start([], host)).not.toContain('--host')
})
