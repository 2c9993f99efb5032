import http from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { call, closedPort, idOf, Stage, until } from '../proxy-testing.ts'
import type { Proxy } from '../proxy.ts'

let stage: Stage
let proxy: Proxy

beforeEach(async () => {
  stage = new Stage()
  proxy = await stage.proxy({ readyTimeoutMs: 400, maxWaiting: 2 })
})
afterEach(() => stage.end())

const ok = () => stage.http((request, response) => request.resume().on('end', () => response.end('ok')))
/** An instance that dies with every request, after it read the head. */
const deadly = () => stage.raw(socket => socket.on('data', () => socket.destroy()))
const bytes = (text: string) => stage.raw(socket => socket.on('data', () => socket.end(text, 'latin1')))

describe('an instance that dies before it answers', () => {
  it('is replaced by another for an idempotent method', async () => {
    await stage.serve(proxy, [await deadly(), await ok()])
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'DELETE', 'GET', 'DELETE']) {
      expect((await call(proxy, '/functions/fn', { method })).status).toBe(200)
    }
    expect((await call(proxy, '/functions/fn', { method: 'PUT', body: 'again' })).status).toBe(200)
  })

  it('costs a POST 502, which is sent only once', async () => {
    const first = await deadly()
    const second = await deadly()
    await stage.serve(proxy, [first, second])
    const answer = await call(proxy, '/functions/fn', { method: 'POST', body: 'x' })
    expect(answer).toMatchObject({ status: 502, code: 'FUNCTION_CRASHED' })
    expect((first.received() + second.received()).match(/POST/g)).toHaveLength(1)
  })

  it('costs 502 at once if there is no other', async () => {
    const only = await deadly()
    await stage.serve(proxy, [only])
    expect(await call(proxy, '/functions/fn')).toMatchObject({ status: 502, code: 'FUNCTION_CRASHED' })
    expect(only.received().match(/GET/g)).toHaveLength(1)
  })

  it('takes no more than two others with it', async () => {
    const instances = [await deadly(), await deadly(), await deadly(), await deadly(), await deadly()]
    await stage.serve(proxy, instances)
    expect((await call(proxy, '/functions/fn')).status).toBe(502)
    expect(
      instances
        .map(instance => instance.received())
        .join('')
        .match(/GET/g),
    ).toHaveLength(3)
  })

  it('does not matter if it closed a kept connection: the request goes over a fresh one', async () => {
    let served = 0
    const forgetful = await stage.raw(socket => {
      let mine = 0
      socket.on('data', () => {
        mine += 1
        if (mine > 1) return socket.destroy()
        served += 1
        return socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      })
    })
    await stage.serve(proxy, [forgetful])
    expect((await call(proxy, '/functions/fn')).body).toBe('ok')
    expect((await call(proxy, '/functions/fn')).body).toBe('ok')
    expect(served).toBe(2)
  })
})

describe('an instance that says on its connections that it stops', () => {
  const introduction = (id: string) => `HTTP/1.1 102 Processing\r\nx-ryo-faas-instance: ${id}\r\n\r\n`
  /** As `farewell.ts` of the runtime has it. */
  const farewell = (id: string) =>
    `${introduction(id)}HTTP/1.1 503 Service Unavailable\r\nx-ryo-faas-error: FUNCTION_UNAVAILABLE\r\n` +
    `x-ryo-faas-error-from: ${id}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`
  /** Takes so many requests, and has ended the connection when the next one comes. */
  const stopping = (body: string, requests = Infinity) => {
    let taken = 0
    return stage.raw(socket => {
      const id = `i${socket.localPort}`
      const head = `${introduction(id)}HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`
      socket.on('data', () => {
        if (taken++ < requests) return socket.write(head + body)
        socket.write(farewell(id))
        return socket.resetAndDestroy()
      })
    })
  }

  it.each([0, 1])('has not run a POST that crosses it after %i others: another one does', async before => {
    const old = await stopping('old', before)
    const introduced = { isAnonymous: false }
    await stage.serve(proxy, [old], introduced)
    const post = async () => {
      const { status, body } = await call(proxy, '/functions/fn', { method: 'POST', body: 'x' })
      return `${status} ${body}`
    }
    for (let n = 0; n < before; n += 1) expect(await post()).toBe('200 old')
    await stage.serve(proxy, [old, await stopping('next')], introduced)
    expect([await post(), await post(), await post()]).toEqual(Array.from({ length: 3 }, () => '200 next'))
    expect(old.received().match(/POST/g)!.length).toBeGreaterThan(before)
  })
})

describe('an instance that refuses connections', () => {
  it('is passed over for any method, body included', async () => {
    const dead = { id: 'dead', host: '127.0.0.1', port: await closedPort() }
    await stage.serve(proxy, [dead, await ok()])
    for (let i = 0; i < 4; i += 1) {
      expect((await call(proxy, '/functions/fn', { method: 'POST', body: 'x'.repeat(200_000) })).status).toBe(200)
    }
  })

  it('makes the request wait for a new table', async () => {
    await stage.serve(proxy, [{ id: 'dead', host: '127.0.0.1', port: await closedPort() }])
    const answer = call(proxy, '/functions/fn', { method: 'POST', body: 'x' })
    await until(async () => (await proxy.stats()).functions[0]!.inflight === 1, 'the request waits')
    await stage.serve(proxy, [await ok()])
    expect((await answer).status).toBe(200)
  })
})

describe('a function without an instance', () => {
  it('answers the moment one comes', async () => {
    await stage.serve(proxy, [])
    const answer = call(proxy, '/functions/fn', { method: 'POST', body: 'x' })
    await until(async () => (await proxy.stats()).functions[0]!.inflight === 1, 'the request waits')
    await stage.serve(proxy, [await ok()])
    expect((await answer).body).toBe('ok')
  })

  it('answers 503 with Retry-After if none comes', async () => {
    await stage.serve(proxy, [])
    const answer = await call(proxy, '/functions/fn')
    expect(answer).toMatchObject({ status: 503, code: 'FUNCTION_UNAVAILABLE', headers: { 'retry-after': '1' } })
  })

  it('lets only so many wait', async () => {
    await stage.serve(proxy, [])
    const waiting = [call(proxy, '/functions/fn'), call(proxy, '/functions/fn')]
    await until(async () => (await proxy.stats()).functions[0]!.inflight === 2, 'two requests wait')
    expect(await call(proxy, '/functions/fn')).toMatchObject({ status: 503, code: 'FUNCTION_UNAVAILABLE' })
    await stage.serve(proxy, [await ok()])
    for (const answer of waiting) expect((await answer).status).toBe(200)
  })

  it('answers 404 when it is removed meanwhile', async () => {
    await stage.serve(proxy, [])
    const answer = call(proxy, '/functions/fn')
    await until(async () => (await proxy.stats()).functions[0]!.inflight === 1, 'the request waits')
    await stage.serve(proxy, [], { name: 'other' })
    expect(await answer).toMatchObject({ status: 404, code: 'FUNCTION_NOT_FOUND' })
  })
})

describe('an answer that is not HTTP/1.1', () => {
  it.each([
    ['garbage', 'hello\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc'],
    ['length and coding', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['an unknown coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
    ['coding in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a bare LF', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok\r\n\r\n'],
    ['a folded header', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok'],
    ['a space before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok'],
    ['a NUL', 'HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 2\r\n\r\nok'],
    ['an unasked upgrade', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'],
    ['a head without end', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(40_000)}`],
    ['a signed length', 'HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok'],
  ])('is 502: %s', async (_name, text) => {
    await stage.serve(proxy, [await bytes(text)])
    expect(await call(proxy, '/functions/fn')).toMatchObject({ status: 502, code: 'FUNCTION_CRASHED' })
  })

  it.each([
    ['is malformed from its first chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz', 'chunk size'],
    ['has headers over 32 KiB', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(40_000)}\r\n\r\n`, 'larger than 32 KiB'],
    [
      'comes after 33 interim ones',
      `${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(33)}HTTP/1.1 204 X\r\n\r\n`,
      '32 interim',
    ],
  ])('is told as what it is: one that %s', async (_what, text, reason) => {
    await stage.serve(proxy, [await bytes(text)])
    const answer = await call(proxy, '/functions/fn')
    expect(answer).toMatchObject({ status: 502, code: 'FUNCTION_CRASHED' })
    expect(answer.body).toContain(reason)
  })

  it('poisons the connection if it goes on after its end', async () => {
    const chatty = await stage.raw(socket =>
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n')),
    )
    await stage.serve(proxy, [chatty])
    expect((await call(proxy, '/functions/fn')).body).toBe('ok')
    await until(() => chatty.connections.size === 0, 'the connection is closed')
  })

  it('costs the instance its kept connections for good if it goes on after its end, however late', async () => {
    const perConnection: number[] = []
    const late = await stage.raw(socket => {
      const mine = perConnection.push(0) - 1
      socket.on('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
        perConnection[mine]! += 1
        if (mine > 0) return
        // When the connection is idle: the next time it might carry another request by then.
        setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'), 20)
      })
    })
    await stage.serve(proxy, [late])
    expect((await call(proxy, '/functions/fn')).body).toBe('ok')
    await until(() => late.connections.size === 0, 'it was found out')
    for (let i = 0; i < 4; i += 1) expect((await call(proxy, '/functions/fn')).body).toBe('ok')
    expect(perConnection).toEqual([1, 1, 1, 1, 1])
    await until(() => late.connections.size === 0, 'none is kept')
  })

  it('destroys the client connection if it breaks off: by length, in chunks, in a bad chunk', async () => {
    for (const text of [
      'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n',
    ]) {
      await stage.serve(proxy, [await bytes(text)])
      await expect(call(proxy, '/functions/fn')).rejects.toThrow(/aborted|hang up|ECONNRESET/)
    }
  })

  it('may end with the connection if it announces no length', async () => {
    await stage.serve(proxy, [await bytes('HTTP/1.0 200 OK\r\n\r\nuntil the end')])
    expect((await call(proxy, '/functions/fn')).body).toBe('until the end')
  })
})

describe('a function over its limit of time', () => {
  it('costs 504, and its connection is destroyed', async () => {
    const slow = await stage.http(() => {})
    await stage.serve(proxy, [slow], { timeoutMs: 80 })
    expect(await call(proxy, '/functions/fn')).toMatchObject({ status: 504, code: 'FUNCTION_TIMEOUT' })
    await until(() => slow.connections.size === 0, 'the instance sees the abort')
    const [stats] = (await proxy.stats()).functions
    expect(stats).toMatchObject({ calls: 1, errors: 1, inflight: 0 })
  })

  it('obeys the client that wants to wait less', async () => {
    await stage.serve(proxy, [await stage.http(() => {})])
    const answer = await call(proxy, '/functions/fn', { headers: { 'x-ryo-faas-deadline-ms': '50' } })
    expect(answer.status).toBe(504)
  })

  it('has its client cut off if the head is already out', async () => {
    const slow = await stage.http((_request, response) => response.write('begun'))
    await stage.serve(proxy, [slow], { timeoutMs: 150 })
    await expect(call(proxy, '/functions/fn')).rejects.toThrow(/aborted|hang up|ECONNRESET/)
    await until(() => slow.connections.size === 0, 'the instance sees the abort')
  })
})

describe('a limit of concurrency', () => {
  it('costs 429 with Retry-After once every instance is at it', async () => {
    const held: http.ServerResponse[] = []
    const make = () => stage.http((_request, response) => void held.push(response))
    const instances = [await make(), await make()]
    await stage.serve(proxy, instances, { concurrency: 1 })
    const running = [call(proxy, '/functions/fn'), call(proxy, '/functions/fn')]
    await until(() => held.length === 2, 'both instances are busy')
    const answer = await call(proxy, '/functions/fn')
    expect(answer).toMatchObject({ status: 429, code: 'FUNCTION_OVERLOADED', headers: { 'retry-after': '1' } })
    for (const response of held) response.end('ok')
    for (const result of running) expect((await result).status).toBe(200)
    expect(instances.map(instance => instance.connections.size)).toEqual([1, 1])
  })

  const refusing = (code: string, status: number) =>
    stage.http((request, response) =>
      request.resume().on('end', () => {
        response.writeHead(status, {
          'x-ryo-faas-error': code,
          'x-ryo-faas-error-from': idOf(request),
          connection: 'close',
        })
        response.end()
      }),
    )

  it('that an instance enforces itself sends the call to another, if there is one', async () => {
    await stage.serve(proxy, [await refusing('FUNCTION_OVERLOADED', 429), await ok()])
    for (let i = 0; i < 4; i += 1) {
      expect((await call(proxy, '/functions/fn', { method: 'POST', body: 'x' })).status).toBe(200)
    }
    await stage.serve(proxy, [await refusing('FUNCTION_OVERLOADED', 429)])
    expect(await call(proxy, '/functions/fn')).toMatchObject({ status: 429, code: 'FUNCTION_OVERLOADED' })
  })

  it('a platform error that the function relays is its own answer, and not marked as ours', async () => {
    const relaying = await stage.http((_request, response) => {
      response.writeHead(503, { 'x-ryo-faas-error': 'FUNCTION_UNAVAILABLE', 'x-ryo-faas-error-from': 'another' })
      response.end('relayed')
    })
    await stage.serve(proxy, [relaying, await ok()])
    const answers = [await call(proxy, '/functions/fn'), await call(proxy, '/functions/fn')]
    expect(answers.map(answer => answer.body).sort()).toEqual(['ok', 'relayed'])
    expect(answers.map(answer => answer.code)).toEqual([undefined, undefined])
  })

  it('leaves the function its own 429 and 503', async () => {
    const own = await stage.http((_request, response) => {
      response.statusCode = 503
      response.end('mine')
    })
    await stage.serve(proxy, [own, await ok()])
    const answers = [await call(proxy, '/functions/fn'), await call(proxy, '/functions/fn')]
    expect(answers.map(answer => answer.body).sort()).toEqual(['mine', 'ok'])
  })

  it('calls of a draining instance go to another, with their body', async () => {
    await stage.serve(proxy, [await refusing('FUNCTION_UNAVAILABLE', 503), await ok()])
    for (let i = 0; i < 4; i += 1) {
      expect((await call(proxy, '/functions/fn', { method: 'POST', body: 'x'.repeat(60_000) })).status).toBe(200)
    }
  })
})

it('instances share the calls evenly', async () => {
  const counts = [0, 0, 0]
  const make = (i: number) =>
    stage.http((_request, response) => {
      counts[i]! += 1
      response.end()
    })
  await stage.serve(proxy, [await make(0), await make(1), await make(2)])
  for (let i = 0; i < 9; i += 1) await call(proxy, '/functions/fn')
  expect(counts).toEqual([3, 3, 3])
})

describe('a body over the limit of its function costs 413', () => {
  const limit = 100_000
  const post = (body: string, headers: http.OutgoingHttpHeaders = {}) =>
    call(proxy, '/functions/fn', { method: 'POST', body, headers })

  it('by its length, before an instance hears of it', async () => {
    const instance = await ok()
    await stage.serve(proxy, [instance], { bodyLimitBytes: limit })
    expect(await post('x'.repeat(limit + 1))).toMatchObject({ status: 413, code: 'PAYLOAD_TOO_LARGE' })
    expect(instance.received()).toBe('')
    expect((await post('x'.repeat(limit))).status).toBe(200)
  })

  it('in chunks, as soon as it is larger; the instance gets no more than the limit', async () => {
    const instance = await ok()
    await stage.serve(proxy, [instance], { bodyLimitBytes: limit })
    const chunked = { 'transfer-encoding': 'chunked' }
    expect(await post('x'.repeat(limit * 20), chunked)).toMatchObject({ status: 413, code: 'PAYLOAD_TOO_LARGE' })
    expect(instance.received().replaceAll(/[^x]/g, '').length).toBeLessThanOrEqual(limit)
    await until(() => instance.connections.size === 0, 'its connection is closed')
    expect((await post('x'.repeat(limit), chunked)).status).toBe(200)
    expect(await post('x'.repeat(200), chunked)).toMatchObject({ status: 200 })
  })

  it('in one small chunk too', async () => {
    await stage.serve(proxy, [await ok()], { bodyLimitBytes: 10 })
    expect(await post('x'.repeat(11), { 'transfer-encoding': 'chunked' })).toMatchObject({ status: 413 })
  })

  it('also if it is to be queued', async () => {
    await stage.serve(proxy, [await ok()], { bodyLimitBytes: 10 })
    expect(await post('x'.repeat(11), { prefer: 'respond-async' })).toMatchObject({ status: 413 })
  })
})

it('TRACE is 405, and goes nowhere', async () => {
  const instance = await ok()
  await stage.serve(proxy, [instance])
  for (const path of ['/functions/fn', '/async-function/fn', '/healthz']) {
    const answer = await call(proxy, path, { method: 'TRACE', headers: { cookie: 'secret' } })
    expect(answer).toMatchObject({
      status: 405,
      code: 'METHOD_NOT_ALLOWED',
      headers: { allow: expect.stringContaining('GET') as string },
    })
    expect(answer.body).not.toContain('secret')
  }
  expect(instance.received()).toBe('')
})
