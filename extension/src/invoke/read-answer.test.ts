import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { LONGEST_BYTES } from './answer-text.ts'
import { readAnswer } from './read-answer.ts'
import { until } from '../testing/until.ts'

let server: Server | undefined

afterEach(async () => {
  server?.closeAllConnections()
  if (server) await new Promise(resolve => server!.close(resolve))
  server = undefined
})

async function ask(listener: RequestListener, signal?: AbortSignal) {
  server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const begin = performance.now()
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const response = await fetch(url, signal ? { signal } : {})
  const told: string[] = []
  const onProgress = (text: string) => void told.push(text)
  return { told, whole: readAnswer(response, { begin, onProgress, ...(signal && { signal }) }) }
}

test('an answer that comes at once is told once', async () => {
  const { told, whole } = await ask((_, response) => response.end('Hello'))
  expect(await whole).toMatch(/^HTTP 200 OK · .*\n[^]*\n\nHello$/)
  expect(told).toEqual([])
})

test('an answer without a body is its head', async () => {
  const { whole } = await ask((_, response) => response.writeHead(204).end())
  expect(await whole).toMatch(/^HTTP 204 No Content · .*\n\n$/)
})

test('a stream is shown while it comes, a few times a second', async () => {
  let end = () => {}
  const { told, whole } = await ask((_, response) => {
    let count = 0
    response.writeHead(200, { 'content-type': 'text/plain' })
    response.write('begin\n')
    const timer = setInterval(() => response.write(`${count++}\n`), 2)
    end = () => {
      clearInterval(timer)
      response.end('end\n')
    }
  })
  await until(() => told.length >= 3)
  expect(told[0]).toMatch(/^HTTP 200 OK · .*\ncontent-type: text\/plain\n\nbegin\n[^]*…\n$/)
  expect(told[2]!.length).toBeGreaterThan(told[0]!.length)
  end()
  expect(await whole).toMatch(/\n\nbegin\n0\n1\n[^]*\nend\n$/)
})

test('the head is shown while nothing else comes', async () => {
  const { told, whole } = await ask((request, response) => {
    response.flushHeaders()
    request.on('close', () => undefined)
  })
  await until(() => told.length > 0)
  expect(told[0]).toMatch(/^HTTP 200 OK · .*\n\n…\n$/)
  server!.closeAllConnections()
  await whole
})

test('what came before an answer broke off is kept, with the reason', async () => {
  const { whole } = await ask((_, response) => {
    response.write('first part', () => response.destroy())
  })
  expect(await whole).toMatch(/\n\nfirst part\n\(the answer broke off: .+\)\n$/)
})

test('an answer without an end is read as far as it is shown', async () => {
  let written = 0
  let closed: Promise<unknown> | undefined
  const { whole } = await ask((_, response) => {
    closed = once(response, 'close')
    const piece = 'x'.repeat(16 * 1024)
    const write = () => {
      while (!response.destroyed && response.write(piece)) written += piece.length
      written += piece.length
    }
    response.on('drain', write)
    write()
  })
  expect(await whole).toMatch(/x\n\(truncated: only the first 512 KiB are shown\)\n$/)
  await closed
  // Beside what is under way in buffers.
  expect(written).toBeLessThan(LONGEST_BYTES + 16 * 1024 * 1024)
})

test('a reading that was given up throws and tells nothing more', async () => {
  const abort = new AbortController()
  const { told, whole } = await ask((_, response) => void response.write('first'), abort.signal)
  abort.abort()
  await expect(whole).rejects.toThrow(/abort/)
  expect(told).toEqual([])
})
