/** Commands while one agent is followed by another, which answer that nobody leads, or that the one that did was lost. */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { answerProof } from '../contract/index.ts'
import { AgentClient, type AgentAddress } from './agent-client.ts'

const TOKEN = 'the-token-of-the-operator'
/** The port of tcpmux (RFC 1078), which nobody serves. */
const NOWHERE = 'http://127.0.0.1:1'
const NOBODY = { status: 503, body: { error: { code: 'NOT_LEADING', message: 'no agent leads at the moment' } } }
const STARTING = { status: 503, body: { error: { code: 'NOT_RUNNING', message: 'the platform is starting' } } }
const LOST = { status: 503, body: { error: { code: 'LEADER_LOST', message: 'it was lost meanwhile' } } }
const DONE = { status: 200, body: { name: 'WORD' } }

/** An agent that gives these answers one after the other, and then the last one for ever. */
async function agent(answers: { status: number; body: unknown }[], options: Partial<AgentAddress> = {}) {
  const heard: string[] = []
  const server = http.createServer((request, response) => {
    const proof = answerProof(TOKEN, { url: request.url!, port: request.socket.localPort! })
    if (proof !== undefined) return void response.end(proof)
    void text(request).then(body => {
      heard.push(`${request.method} ${request.url} ${body}`)
      const { status, body: answer } = answers.length > 1 ? answers.shift()! : answers[0]!
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const waited: string[] = []
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  const client = new AgentClient({
    ...{ url, token: TOKEN, onWaiting: what => void waited.push(what) },
    ...options,
  })
  return { url, client, heard, waited }
}

const set = (client: AgentClient) => client.call('setSecret', { params: { name: 'WORD' }, body: { value: 'x' } })

test('what nobody did because nobody leads is asked again until somebody leads, and that is told once', async () => {
  const { client, heard, waited } = await agent([NOBODY, NOBODY, DONE])
  expect(await set(client)).toEqual({ name: 'WORD' })
  expect(heard).toEqual(Array.from({ length: 3 }, () => 'PUT /v1/secrets/WORD {"value":"x"}'))
  expect(waited).toEqual(['waiting for another agent to lead the platform'])
})

test('what may be done is not asked again', async () => {
  const { client, heard } = await agent([LOST, DONE])
  await expect(set(client)).rejects.toMatchObject({ code: 'LEADER_LOST' })
  expect(heard.length).toBe(1)
})

test('an agent that is being started again is waited for, wherever it listens then, and one that is not is not', async () => {
  const next = await agent([STARTING, DONE])
  const where = [NOWHERE, next.url]
  const comesBack = async () => ({ url: where.shift()!, token: TOKEN })
  const waited: string[] = []
  const onWaiting = (what: string) => void waited.push(what)
  const client = new AgentClient({ url: NOWHERE, token: TOKEN, comesBack, onWaiting })
  expect(await set(client)).toEqual({ name: 'WORD' })
  expect(waited).toEqual(['waiting for the agent, which is being started again', 'waiting: the platform is starting'])
  expect(next.heard.length).toBe(2)

  const alone = new AgentClient({ url: NOWHERE, token: TOKEN, comesBack: async () => undefined })
  await expect(set(alone)).rejects.toMatchObject({ code: 'NOT_RUNNING' })
})

test('while nobody leads at all, it says so in the end', async () => {
  const { client } = await agent([NOBODY], { followMs: 1 })
  await expect(set(client)).rejects.toMatchObject({ code: 'NOT_LEADING', message: 'no agent leads at the moment' })
})

test('who does not want to wait any longer does not', async () => {
  const abort = new AbortController()
  const { client } = await agent([NOBODY], { signal: abort.signal, onWaiting: () => abort.abort() })
  await expect(set(client)).rejects.toMatchObject({ code: 'CANCELLED' })
})

test('what is sent piece by piece cannot be sent again, and is left to who sends it', async () => {
  const { client, heard } = await agent([NOBODY, DONE])
  await expect(client.upload('uploadContents', Readable.from(['tar']))).rejects.toMatchObject({ code: 'NOT_LEADING' })
  expect(heard.length).toBe(1)
})
