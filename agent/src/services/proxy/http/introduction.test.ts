import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { instanceKey } from '../../../access/index.ts'
import { TEST_KEYS } from '../../../access/access-testing.ts'
import { call, Stage, until, type TestInstance } from '../proxy-testing.ts'
import type { Proxy } from '../proxy.ts'

let stage: Stage
let proxy: Proxy

beforeEach(async () => {
  stage = new Stage()
  proxy = await stage.proxy({ readyTimeoutMs: 300 })
})
afterEach(() => stage.end())

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n'
const introductionOf = (id: string) => `HTTP/1.1 102 Processing\r\nx-ryo-faas-instance: ${id}\r\n\r\n`

/** What the runtime does with the name in a request, with no more of HTTP than that takes. */
function runtime(id: string, says: string): Promise<TestInstance> {
  return stage.raw(socket =>
    socket.on('data', (piece: Buffer) => {
      const wanted = /\r\nx-ryo-faas-instance: (.*)\r\n/.exec(piece.toString('latin1'))?.[1]
      if (wanted !== undefined && wanted !== id) {
        socket.write(`HTTP/1.1 421 Misdirected Request\r\nx-ryo-faas-instance: ${id}\r\nContent-Length: 2\r\n\r\nno`)
      } else {
        socket.write(`${wanted === undefined ? '' : introductionOf(id)}${OK}${says}`)
      }
    }),
  )
}

/** Answers without a word about who it is. */
const answering = (answer: string) => stage.raw((socket: Socket) => socket.on('data', () => socket.write(answer)))
const at = ({ host, port }: TestInstance, id: string) => ({ id, host, port })
/** An idempotency of its own for each way to ask. */
const METHODS = ['GET', 'POST']
const serve = (...instances: { id: string; host: string; port: number }[]) =>
  stage.serve(proxy, instances, { isAnonymous: false })

describe('an address that another instance has by now', () => {
  it.each(METHODS)('is passed over, and nothing runs there: %s', async method => {
    const [other, own] = [await runtime('other', 'NO'), await runtime('own', 'ok')]
    await serve(at(other, 'gone'), at(own, 'own'))
    for (let i = 0; i < 6; i += 1) {
      expect(await call(proxy, '/functions/fn', { method, body: method === 'POST' ? 'x' : '' })).toMatchObject({
        status: 200,
        body: 'ok',
      })
    }
    // Out of rotation: asked once.
    expect(other.received().match(/HTTP\/1\.1\r\n/g)).toHaveLength(1)
  })

  it('costs 503 if there is no other, and a request waits for a table with one', async () => {
    const other = await runtime('other', 'NO')
    await serve(at(other, 'gone'))
    expect(await call(proxy, '/functions/fn')).toMatchObject({ status: 503, code: 'FUNCTION_UNAVAILABLE' })
    const waiting = call(proxy, '/functions/fn', { method: 'POST', body: 'x' })
    await until(async () => (await proxy.stats()).functions[0]!.inflight === 1, 'the request waits')
    await serve(at(await runtime('own', 'ok'), 'own'))
    expect((await waiting).body).toBe('ok')
  })

  it('costs 503 if the body cannot be sent again', async () => {
    const other = await stage.raw(socket => {
      let bytes = 0
      socket.on('data', (piece: Buffer) => {
        bytes += piece.length
        if (bytes < 200_000) return
        bytes = -Infinity
        socket.write('HTTP/1.1 421 Misdirected Request\r\nx-ryo-faas-instance: other\r\nContent-Length: 0\r\n\r\n')
      })
    })
    await serve(at(other, 'gone'), at(await runtime('own', 'ok'), 'own'))
    const answer = await call(proxy, '/functions/fn', { method: 'POST', body: 'x'.repeat(300_000) })
    expect(answer).toMatchObject({ status: 503, code: 'FUNCTION_UNAVAILABLE' })
  })

  it('is asked again when the agent says again that it is there', async () => {
    const other = await runtime('back', 'ok')
    await serve(at(other, 'gone'), at(await runtime('own', 'ok'), 'own'))
    await call(proxy, '/functions/fn')
    await call(proxy, '/functions/fn')
    await serve(at(other, 'back'))
    expect((await call(proxy, '/functions/fn')).body).toBe('ok')
  })
})

describe('an answer of somebody who does not say that he is the instance', () => {
  it.each([
    ['in one piece', `${OK}NO`],
    ['of no length', 'HTTP/1.1 200 OK\r\n\r\nNO'],
    ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nNO\r\n0\r\n\r\n'],
    ['with another name', `${introductionOf('other')}${OK}NO`],
    ['with hints', 'HTTP/1.1 103 Early Hints\r\nLink: </NO>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['with its name too late', `HTTP/1.1 200 OK\r\nx-ryo-faas-instance: gone\r\nContent-Length: 2\r\n\r\nNO`],
    ['with 421 and no name', 'HTTP/1.1 421 Misdirected Request\r\nContent-Length: 2\r\n\r\nNO'],
  ])('never reaches the client: %s', async (_name, answer) => {
    const stranger = await answering(answer)
    await serve(at(stranger, 'gone'))
    // It may have run there, so it is sent once.
    const posted = await call(proxy, '/functions/fn', { method: 'POST', body: 'x' })
    expect(posted).toMatchObject({ status: 502, code: 'FUNCTION_CRASHED' })
    expect(posted.body + JSON.stringify(posted.headers)).not.toContain('NO')
    await until(() => stranger.connections.size === 0, 'its connection is closed')
    await serve(at(stranger, 'gone'), at(await runtime('own', 'ok'), 'own'))
    for (let i = 0; i < 4; i += 1) expect((await call(proxy, '/functions/fn')).body).toBe('ok')
  })
})

describe('an instance that says who it is', () => {
  it('is asked once on each connection', async () => {
    const own = await runtime('own', 'ok')
    await serve(at(own, 'own'))
    for (let i = 0; i < 5; i += 1) expect((await call(proxy, '/functions/fn')).body).toBe('ok')
    expect(own.received().match(/x-ryo-faas-instance: own/g)).toHaveLength(1)
    expect(own.received().match(/GET/g)).toHaveLength(5)
  })

  it('and dies before it answers is replaced by another for an idempotent method', async () => {
    const deadly = await stage.raw(socket => socket.on('data', () => socket.end(introductionOf('deadly'))))
    await serve(at(deadly, 'deadly'), at(await runtime('own', 'ok'), 'own'))
    for (let i = 0; i < 4; i += 1) expect((await call(proxy, '/functions/fn')).body).toBe('ok')
  })
})

it('the name that a client asks for goes no further', async () => {
  const own = await runtime('own', 'ok')
  await serve(at(own, 'own'))
  const headers = { 'X-Ryo-Faas-Instance': 'own-of-the-client' }
  expect((await call(proxy, '/functions/fn', { headers })).body).toBe('ok')
  expect(own.received()).not.toContain('of-the-client')
})

describe('an instance that has a key', () => {
  const shown = (instance: TestInstance) => instance.received().match(/x-ryo-faas-instance-key: [^\r\n]*/g) ?? []

  it('is shown it once for each connection, whatever a client says; others are shown none', async () => {
    const own = await runtime('own', 'ok')
    await stage.serve(proxy, [at(own, 'own')], { isAnonymous: false, isGuarded: true })
    const headers = { 'X-Ryo-Faas-Instance-Key': 'forged' }
    for (let i = 0; i < 3; i += 1) await call(proxy, '/functions/fn', { headers })
    const expected = `x-ryo-faas-instance-key: ${instanceKey(TEST_KEYS.functions, 'own')}`
    expect(shown(own)).toEqual([expected])
    const open = await runtime('open', 'ok')
    await serve(at(open, 'open'))
    await call(proxy, '/functions/fn', { headers })
    expect(shown(open)).toEqual([])
  })
})
