import { describe, expect, it } from 'vitest'
import { parseTarget } from './target.ts'

describe('a request target', () => {
  it.each([
    ['/functions/a', 'a', '/'],
    ['/functions/a/', 'a', '/'],
    ['/functions/a?x=1', 'a', '/?x=1'],
    ['/functions/a/b//c?x', 'a', '/b//c?x'],
    ['/functions/a?next=/functions/../b', 'a', '/?next=/functions/../b'],
    ['/functions/a?%zz/./\\', 'a', '/?%zz/./\\'],
    ['/functions/A-b_1/%41%20/é'.replace('é', '\xe9'), 'A-b_1', '/%41%20/\xe9'],
    ['/functions/a/.hidden/...', 'a', '/.hidden/...'],
    ['/functions/a/%252e%252e/b', 'a', '/%252e%252e/b'],
    ['http://host:1/functions/a/b?c', 'a', '/b?c'],
    ['HTTPS://host/functions/a', 'a', '/'],
    ['/async-function/a/b?c', 'a', '/b?c'],
    ['/async-function/A', 'A', '/'],
  ])('%s goes to %s as %s', (url, name, path) => {
    const isAsync = url.startsWith('/async-function')
    expect(parseTarget(url)).toEqual({ kind: 'function', name, path, isAsync, isEvent: false })
  })

  it.each([
    '/functions/a/..',
    '/functions/a/../b',
    '/functions/../functions/a',
    '/functions/a/.',
    '/functions/a/./b',
    '/functions/a/%2e%2e/b',
    '/functions/a/.%2E',
    '/functions/a/%2e',
    '/functions/a%2fb',
    '/functions/a/%2F',
    '/functions/a/%5c..',
    '/functions/a/b\\c',
    '/functions/a/%00',
    '/functions/a/\0',
    '/functions/a/%',
    '/functions/a/%4',
    '/functions/a/%zz',
    '/functions/a#b',
    '/x/../functions/a',
    '*',
    'host:80',
    'ftp://host/functions/a',
    'http:///functions/a',
    'http://user@host/functions/a',
    '',
  ])('%j is refused', url => {
    expect(parseTarget(url).kind).toBe('bad')
  })

  it.each([
    '/functions/a/.ryo-faas/health',
    '/functions/a/.ryo-faas',
    '/functions/a/.RYO-faas/health',
    '/functions/a/%2eryo%2dfaas/health',
    '/functions/a//.ryo-faas/health',
    '/functions/a/.ryo-faas/?x',
    '/functions/a/.ryo-faas/events/',
    '/functions/a/.ryo-faas/events/on/x',
    '/functions/a/.ryo-faas/events/on?x',
    '/functions/a/.ryo-faas/Events/on',
    '/functions/a//.ryo-faas/events/on',
    '/functions/a/%2eryo-faas/events/on',
    '/async-function/a/.ryo-faas/events/on',
  ])('%s belongs to the platform', url => {
    expect(parseTarget(url).kind).toBe('reserved')
  })

  it('knows an event, as the dispatcher writes it', () => {
    const path = '/.ryo-faas/events/Invoice-2'
    expect(parseTarget(`/functions/a${path}`)).toEqual({
      kind: 'function',
      name: 'a',
      path,
      isAsync: false,
      isEvent: true,
    })
  })

  it.each(['/', '/healthz', '/functions', '//functions/a', '/Functions/a', '/functionsx/a', 'http://host'])(
    '%s is not a function',
    url => {
      expect(parseTarget(url).kind).toBe('other')
    },
  )

  it('does not mistake a longer name for a reserved one', () => {
    expect(parseTarget('/functions/a/.ryo-faasx/y').kind).toBe('function')
  })
})
