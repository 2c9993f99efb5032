import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { EVENTS_PREFIX } from '../protocol/index.ts'
import { DELIVERED, send, serveHandlers, serveNode, serveWeb } from '../testing/serve-handler.ts'
import { singleTrigger } from './handler-set.ts'

const EVENT = JSON.stringify({
  ...{ specversion: '1.0', time: '2026-01-01T00:00:00Z', sequence: '1' },
  data: { kind: 'new-doc', table: 't', id: 'a', version: 1 },
})
const CLAIMS = {
  ...{ 'X-Call-Id': 'forged', 'X-Call-Attempt': '7' },
  'X-Ryo-Faas-Caller': encodeURIComponent('{"kind":"operator"}'),
}
const FORGED: Record<string, string>[] = [
  {},
  { 'X-Ryo-Faas-Delivery': '' },
  { 'X-Ryo-Faas-Delivery': 'guessed' },
  { 'X-Ryo-Faas-Delivery': `${DELIVERED['x-ryo-faas-delivery']}x` },
]

test.each(FORGED)('an event with %j is answered as if no handler existed, and runs nothing', async headers => {
  let ran = 0
  await using served = await serveHandlers(singleTrigger({ handler: () => void (ran += 1) }))
  const post = (own: Record<string, string>) =>
    send(served.port, { method: 'POST', path: `${EVENTS_PREFIX}on`, headers: own }, EVENT)
  expect((await post(headers)).status).toBe(404)
  expect(ran).toBe(0)
  expect((await post(DELIVERED)).status).toBe(204)
  expect(ran).toBe(1)
})

test('an instance without a token accepts no events', async () => {
  let ran = 0
  const options = { deliveryToken: undefined }
  await using served = await serveHandlers(singleTrigger({ handler: () => void (ran += 1) }), options)
  for (const headers of [{}, { 'x-ryo-faas-delivery': '' }, { 'x-ryo-faas-delivery': 'undefined' }]) {
    const answer = await send(served.port, { method: 'POST', path: `${EVENTS_PREFIX}on`, headers }, EVENT)
    expect(answer.status).toBe(404)
  }
  expect(ran).toBe(0)
})

test.each(FORGED)('a call id or a caller with %j reaches no handler, in no style', async headers => {
  await using node = await serveNode((request, response, { callId, attempt, caller }) => {
    response.end(JSON.stringify({ callId, attempt, caller, ...all(request) }))
  })
  await using web = await serveWeb((request, { callId, attempt, caller }) =>
    Response.json({ callId, attempt, caller, headers: [...request.headers] }),
  )
  for (const { port } of [node, web]) {
    const { status, body } = await send(port, { headers: { ...CLAIMS, ...headers } })
    expect(status).toBe(200)
    expect(body).not.toMatch(/forged|call-id|call-attempt|delivery|operator|caller/i)
    expect(JSON.parse(body)).toMatchObject({ attempt: 1 })
  }
})

test('a handler sees the call id of a platform request, but not the token', async () => {
  await using node = await serveNode((request, response) => void response.end(JSON.stringify(all(request))))
  await using web = await serveWeb(request => Response.json([...request.headers]))
  for (const { port } of [node, web]) {
    const { body } = await send(port, {
      headers: { ...CLAIMS, 'X-Ryo-Faas-Delivery': DELIVERED['x-ryo-faas-delivery'] },
    })
    expect(body).toMatch(/x-call-id/i)
    expect(body).not.toMatch(/delivery/i)
  }
})

test('a handler sees who called as the platform says, with the claims of the token, and not the header', async () => {
  await using node = await serveNode((request, response, { caller }) => {
    response.end(JSON.stringify({ caller, ...all(request) }))
  })
  const callerOf = async (caller: object, headers: Record<string, string> = {}) => {
    const told = { 'x-ryo-faas-caller': encodeURIComponent(JSON.stringify(caller)) }
    const { body } = await send(node.port, { headers: { ...DELIVERED, ...told, ...headers } })
    expect(body).not.toContain('x-ryo-faas-caller')
    return (JSON.parse(body) as { caller: unknown }).caller
  }
  expect(await callerOf({ kind: 'key', id: 'k', name: 'Zoë' })).toEqual({ kind: 'key', id: 'k', name: 'Zoë' })
  const user = { kind: 'jwt', issuer: 'https://id.example', subject: 'ann' }
  const claims = { sub: 'ann', role: 'admin' }
  const authorization = `Bearer e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.sig`
  expect(await callerOf(user, { authorization })).toEqual({ ...user, claims })
  expect(await callerOf(user)).toEqual({ ...user, claims: {} })
})

function all({ headers, headersDistinct, rawHeaders }: IncomingMessage) {
  return { headers, headersDistinct, rawHeaders }
}
