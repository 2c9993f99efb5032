import { expect, test } from 'vitest'
import { RyoFaasError, type TokenView } from '../contract/index.ts'
import { SESSION_MS, Sessions } from './sessions.ts'

const MINUTE_MS = 60_000

function make() {
  const known = new Map<string, TokenView>([['good', { id: 'a', name: 'A', can: 'read', createdAt: '' }]])
  const sessions = new Sessions(token => {
    const view = known.get(token)
    if (view === undefined) throw new RyoFaasError('UNAUTHORIZED', 'no such token')
    return view
  })
  return { known, sessions }
}

const refused = (code: string) => expect.objectContaining({ code })

test('a session is as good as its token, and ends by itself or when somebody signs out', () => {
  const { known, sessions } = make()
  const [first, second] = [sessions.signIn('good', '::1', 0), sessions.signIn('good', '::1', 0)]
  expect(first).not.toBe(second)
  expect(sessions.of(first, 1)?.name).toBe('A')
  sessions.signOut(first)
  expect(sessions.of(first, 1)).toBeUndefined()
  expect(sessions.of(second, SESSION_MS - 1)?.name).toBe('A')
  expect(sessions.of(second, SESSION_MS)).toBeUndefined()
  const third = sessions.signIn('good', '::1', 0)
  known.delete('good')
  expect(sessions.of(third, 1)).toBeUndefined()
  known.set('good', { id: 'a', name: 'A', can: 'admin', createdAt: '' })
  // What was revoked once does not come back.
  expect(sessions.of(third, 1)).toBeUndefined()
})

test('an address has ten attempts in ten minutes; others, and those who know a token before that, are not held back', () => {
  const { sessions } = make()
  for (let attempt = 0; attempt < 10; attempt += 1) {
    expect(() => sessions.signIn('bad', '192.0.2.1', attempt)).toThrow(refused('UNAUTHORIZED'))
  }
  expect(() => sessions.signIn('good', '192.0.2.1', 11)).toThrow(refused('TOO_MANY_ATTEMPTS'))
  expect(sessions.signIn('good', '192.0.2.2', 11)).toMatch(/^[\w-]{43}$/)
  expect(sessions.signIn('good', '192.0.2.1', 10 * MINUTE_MS + 10)).toMatch(/^[\w-]{43}$/)
})

test('all addresses together have a thousand', () => {
  const { sessions } = make()
  for (let attempt = 0; attempt < 1000; attempt += 1) {
    expect(() => sessions.signIn('bad', `192.0.2.${attempt}`, 0)).toThrow(refused('UNAUTHORIZED'))
  }
  expect(() => sessions.signIn('good', '198.51.100.1', 1)).toThrow(refused('TOO_MANY_ATTEMPTS'))
})

test('of more than a thousand sessions the oldest are gone', () => {
  const { sessions } = make()
  const ids = Array.from({ length: 1001 }, () => sessions.signIn('good', '::1', 0))
  expect([ids[0], ids[1], ids[1000]].map(id => sessions.of(id!, 1)?.name)).toEqual([undefined, 'A', 'A'])
})
