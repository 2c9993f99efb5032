import net, { type AddressInfo, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Instance, type ResponseHead, type ResponseSink, type UpstreamError } from './index.ts'

const READ_BUFFER = Buffer.alloc(64 * 1024)

let server: net.Server
let sockets: Socket[]
let answer: (socket: Socket) => void

beforeEach(async () => {
  sockets = []
  answer = socket => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  server = net.createServer(socket => {
    sockets.push(socket)
    socket.on('error', () => socket.destroy())
    socket.on('data', () => answer(socket))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  await new Promise(resolve => server.close(resolve))
})

function instance(
  options: { idleMs?: number; port?: number; silence?: { lookMs: number; reach: () => Promise<boolean> } } = {},
): Instance {
  const port = options.port ?? (server.address() as AddressInfo).port
  const { idleMs = 10_000, silence } = options
  const settings = { connectTimeoutMs: 1_000, idleMs, readBuffer: READ_BUFFER, ...(silence && { silence }) }
  return new Instance({ id: 'a', host: '127.0.0.1', port, isAnonymous: true }, settings)
}

/** Sends a GET over a connection of `target` and waits for its end, and for the connection to be put away. */
async function get(target: Instance, now = performance.now()): Promise<{ head: ResponseHead; body: string }> {
  const connection = target.acquire({ now, fresh: false })
  const result = await new Promise<{ head: ResponseHead; body: string }>((resolve, reject) => {
    const send = () =>
      connection.send('GET / HTTP/1.1\r\nHost: a\r\n', { method: 'GET', isUpgrade: false, isComplete: true })
    const sink: ResponseSink = {
      onConnected: send,
      onWhole: (head, body) => resolve({ head, body }),
      onFailed: (error: UpstreamError) => reject(error),
      onInformational: () => {},
      onHead: () => {},
      onData: () => {},
      onEnd: () => reject(new Error('not in one piece')),
      onUpgrade: () => {},
      onDrain: () => {},
    }
    connection.open(sink)
    if (connection.isConnected) send()
  })
  await new Promise(resolve => setImmediate(resolve))
  return result
}

it('a connection is kept and used again', async () => {
  const target = instance()
  for (let i = 0; i < 3; i += 1) expect((await get(target)).body).toBe('ok')
  expect(sockets).toHaveLength(1)
  expect(target.idleCount).toBe(1)
  target.retire()
})

it('one that took no connection loses those that were kept: its machine may be gone without closing them', async () => {
  const target = instance()
  await get(target)
  target.refused(performance.now())
  expect(target.idleCount).toBe(0)
  expect((await get(target)).body).toBe('ok')
  expect(sockets).toHaveLength(2)
  target.retire()
})

it('one that takes no connection is tried last for longer each time, until it answers', async () => {
  const target = instance()
  const refuse = (now: number) => {
    target.refused(now)
    return target.suspectUntil - now
  }
  let now = Math.round(performance.now())
  const waits: number[] = []
  for (let n = 0; n < 5; n += 1) {
    waits.push(refuse(now))
    // Others had tried before they could know.
    expect(refuse(now)).toBe(waits.at(-1))
    now = target.suspectUntil
  }
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 8_000])
  await get(target)
  expect(refuse(now)).toBe(1_000)
  target.retire()
})

it('one whose machine is gone costs what waits for it, on kept connections too, and comes last', async () => {
  let isThere = true
  const target = instance({ silence: { lookMs: 1, reach: async () => isThere } })
  await get(target)
  isThere = false
  answer = () => {}
  const error = { kind: 'closed', cause: { message: 'the machine of the instance does not respond' } }
  await expect(get(target)).rejects.toMatchObject(error)
  expect(target.suspectUntil).toBeGreaterThan(performance.now())
  expect(sockets).toHaveLength(1)
})

it('one that is only slow is waited for, as long as its machine takes connections now and then', async () => {
  let asked = 0
  let begun: Socket | undefined
  const reach = async () => {
    asked += 1
    if (asked > 6) begun?.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
    if (asked > 6) begun = undefined
    // Once without an answer is no proof.
    return asked % 2 === 0
  }
  const target = instance({ silence: { lookMs: 1, reach } })
  answer = socket => (begun = socket)
  expect((await get(target)).body).toBe('ok')
  expect(asked).toBeGreaterThan(6)
  target.retire()
})

it('it is not kept if the instance closes it, says so, or sends more than was asked for', async () => {
  for (const text of [
    'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!',
    'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok',
  ]) {
    answer = socket => socket.write(text)
    const target = instance()
    expect((await get(target)).body).toBe('ok')
    expect(target.idleCount).toBe(0)
  }
})

it('it is not used again after its time, and swept', async () => {
  const target = instance({ idleMs: 1_000 })
  await get(target)
  await get(target, performance.now() + 2_000)
  expect(sockets).toHaveLength(2)
  target.sweep(performance.now() + 500)
  expect(target.idleCount).toBe(1)
  target.sweep(performance.now() + 2_000)
  expect(target.idleCount).toBe(0)
})

it('an idle connection that the instance ends or writes into is dropped', async () => {
  for (const disturb of [(socket: Socket) => socket.end(), (socket: Socket) => socket.write('HTTP/1.1 200 OK\r\n')]) {
    const target = instance()
    await get(target)
    const closed = new Promise(resolve => sockets.at(-1)!.once('close', resolve))
    disturb(sockets.at(-1)!)
    await closed
    expect(target.idleCount).toBe(0)
  }
})

it('a retired instance keeps nothing', async () => {
  const target = instance()
  await get(target)
  target.retire()
  expect(target.idleCount).toBe(0)
  await get(target)
  expect(target.idleCount).toBe(0)
})

it('the kind of a failure tells what is known of the request', async () => {
  answer = socket => socket.destroy()
  await expect(get(instance())).rejects.toMatchObject({ kind: 'closed' })
  answer = socket => socket.end('HTTP/1.1 2')
  await expect(get(instance())).rejects.toMatchObject({ kind: 'truncated' })
  answer = socket => socket.end('SSH-2.0-x\r\n\r\n')
  await expect(get(instance())).rejects.toMatchObject({ kind: 'protocol' })
  const spare = net.createServer()
  await new Promise<void>(resolve => spare.listen(0, '127.0.0.1', resolve))
  const { port } = spare.address() as AddressInfo
  await new Promise(resolve => spare.close(resolve))
  await expect(get(instance({ port }))).rejects.toMatchObject({ kind: 'connect' })
})
