import { describe, expect, it } from 'vitest'
import { parseResponseHead } from './response-head.ts'

const head = (...lines: string[]) => parseResponseHead(`${lines.join('\r\n')}\r\n\r\n`)

describe('the head of a response', () => {
  it('keeps end-to-end headers as they were spelled and leaves out the rest', () => {
    const parsed = head(
      'HTTP/1.1 200 OK',
      'Content-Type:text/plain ',
      'X-Empty:',
      'Connection: keep-alive, X-Named, Content-Length',
      'Keep-Alive: timeout=5, max=3',
      'x-named: 1',
      'Set-Cookie: a',
      'Set-Cookie: b',
      'Content-Length: 12',
      'Trailer: x',
      'Proxy-Authenticate: x',
    )
    expect(parsed).toEqual({
      status: 200,
      headers: [
        'Content-Type',
        'text/plain',
        'X-Empty',
        '',
        'Set-Cookie',
        'a',
        'Set-Cookie',
        'b',
        'Content-Length',
        '12',
      ],
      contentLength: 12,
      chunked: false,
      keepAlive: true,
      keepAliveMs: 5_000,
      upgrade: undefined,
    })
  })

  it('says whether the connection may carry another request', () => {
    expect(head('HTTP/1.1 200 OK').keepAlive).toBe(true)
    expect(head('HTTP/1.1 200 OK', 'Connection: Close').keepAlive).toBe(false)
    expect(head('HTTP/1.1 200 OK', 'Connection: x', 'Connection: close').keepAlive).toBe(false)
    expect(head('HTTP/1.0 200 OK', 'Connection: keep-alive').keepAlive).toBe(false)
  })

  it('takes a missing reason for none', () => {
    const parsed = head('HTTP/1.1 404', 'Content-Length: 1')
    expect(parsed).toMatchObject({ status: 404, contentLength: 1, headers: ['Content-Length', '1'] })
  })

  it('takes spaces and tabs off a value, and nothing else', () => {
    expect(head('HTTP/1.1 200 OK', 'X: \t a\xa0 \t').headers).toEqual(['X', 'a\xa0'])
  })

  it.each([
    ['HTTP/1.1 200 OK', 'Content-Length: 1', 'Content-Length: 1'],
    ['HTTP/1.2 200 OK'],
    ['HTTP/2 200 OK'],
    ['http/1.1 200 OK'],
    ['HTTP/1.1 20 OK'],
    ['HTTP/1.1 099 OK'],
    ['HTTP/1.1  200 OK'],
    ['HTTP/1.1 200 O\rK'],
    ['HTTP/1.1 200 OK', 'X Y: z'],
    ['HTTP/1.1 200 OK', ': z'],
    ['HTTP/1.1 200 OK', 'x'],
    ['HTTP/1.1 200 OK', 'x: a\nb: c'],
    ['HTTP/1.1 200 OK', 'x: a\x7f'],
    ['HTTP/1.1 200 OK', 'Content-Length: 1, 1'],
    ['HTTP/1.1 200 OK', 'Content-Length: 0x1'],
    ['HTTP/1.1 200 OK', 'Content-Length: 9999999999999999'],
    ['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
    ['HTTP/1.1 200 OK', 'Transfer-Encoding: identity'],
  ])('%j is refused', (...lines) => {
    expect(() => head(...lines)).toThrow(expect.objectContaining({ kind: 'protocol' }) as Error)
  })
})
