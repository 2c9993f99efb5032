/** What `stopFaas` says when the answer of the agent does not come. */
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import type { PlatformView } from '../../contract/index.ts'
import type { Context } from '../context.ts'
import { Output } from '../output.ts'
import { stopFaas } from './stop-faas.ts'

const PLATFORM: PlatformView = {
  project: 'rfa',
  home: '/home/x/.ryo-faas',
  version: '0.1.0',
  engine: 'process',
  engineNote: '',
  proxyUrl: 'http://127.0.0.1:9999',
  phase: { kind: 'ready' },
  parts: [],
}

type AnswerShutdown = (response: ServerResponse, home: string) => Promise<void>

/** What it prints, with an agent that meets `shutdown` like this. */
async function stopped(answerShutdown: AnswerShutdown): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'ryo-faas-stop-'))
  const server = createServer((request, response) => {
    if (request.url === '/v1/shutdown') return void answerShutdown(response, home)
    response.end(JSON.stringify(PLATFORM))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await rm(home, { recursive: true })
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await writeFile(join(home, 'token'), 'secret')
  await writeFile(
    join(home, 'agent.json'),
    JSON.stringify({ url, pid: 1, startedAt: 'x', project: 'rfa', version: '0' }),
  )
  const stdout = new PassThrough()
  const output = new Output({ stdout, stderr: new PassThrough(), environment: {} } as never, false)
  await stopFaas.run({}, { output, home, agentGone: async () => undefined } as unknown as Context)
  stdout.end()
  return text(stdout)
}

test('an answer that is cut off by the end that somebody else asked for is no failure', async () => {
  const beforeItsHead: AnswerShutdown = async (response, home) => {
    await rm(join(home, 'agent.json'))
    response.destroy()
  }
  expect(await stopped(beforeItsHead)).toBe('nothing runs\n')
  const inItsMiddle: AnswerShutdown = async (response, home) => {
    await rm(join(home, 'agent.json'))
    response.writeHead(200, { 'content-length': 100 })
    response.write('{"stopped":', () => response.destroy())
  }
  expect(await stopped(inItsMiddle)).toBe('nothing runs\n')
})

test('an agent that went away without stopping the platform is told', async () => {
  const killed: AnswerShutdown = async response => void response.destroy()
  await expect(stopped(killed)).rejects.toMatchObject({ code: 'NOT_RUNNING' })
})
