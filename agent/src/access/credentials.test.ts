import { describe, expect, it } from 'vitest'
import { Credentials, depthOf, signDepth } from './index.ts'

const keys = { operator: 'o'.repeat(32), part: 'p'.repeat(32), functions: 'f'.repeat(32) }
const credentials = new Credentials(keys)
const bearer = (token: string) => `Bearer ${token}`

describe('credentials', () => {
  it('tell operator, parts and functions apart, also the second time', () => {
    for (let times = 0; times < 2; times++) {
      expect(credentials.identify(bearer(keys.operator))).toEqual({ kind: 'operator' })
      expect(credentials.identify(bearer(keys.part))).toEqual({ kind: 'part' })
      const token = credentials.functionToken({ route: 'audit', read: ['orders'] })
      expect(credentials.identify(bearer(token))).toEqual({ kind: 'function', route: 'audit', read: ['orders'] })
    }
  })

  it.each([
    ['nothing', undefined],
    ['an empty header', ''],
    ['a wrong token', bearer('x'.repeat(32))],
    ['another scheme', `Basic ${keys.operator}`],
    ['a token with something after it', `${bearer(keys.operator)} x`],
    ['the key of functions itself', bearer(keys.functions)],
  ])('identify nobody by %s', (_what, header) => expect(credentials.identify(header)).toBeUndefined())

  it('refuse claims that were changed, and those of another platform', () => {
    const [, , mac] = credentials.functionToken({ route: 'audit', write: [] }).split('.')
    const more = Buffer.from(JSON.stringify({ route: 'audit' })).toString('base64url')
    expect(credentials.identify(bearer(`ryf.${more}.${mac}`))).toBeUndefined()
    const other = new Credentials({ ...keys, functions: 'g'.repeat(32) })
    expect(credentials.identify(bearer(other.functionToken({ route: 'audit' })))).toBeUndefined()
  })

  it('give each deployment a delivery token of its own, different from function tokens', () => {
    expect(credentials.deliveryToken('a')).not.toBe(credentials.deliveryToken('b'))
    expect(credentials.identify(bearer(credentials.deliveryToken('a')))).toBeUndefined()
  })
})

describe('the depth in events', () => {
  it('is believed if it was signed with the key', () => {
    expect(depthOf(keys.functions, signDepth(keys.functions, 17))).toBe(17)
    expect(depthOf(keys.functions, signDepth(keys.functions, 0))).toBe(0)
  })

  it.each(['17', 'x', '', '17.', `3${signDepth(keys.functions, 17).slice(2)}`, signDepth(keys.part, 17)])(
    'is 0 for %j',
    value => expect(depthOf(keys.functions, value)).toBe(0),
  )

  it('is 0 without a header, and for one that came twice', () => {
    expect(depthOf(keys.functions, undefined)).toBe(0)
    expect(depthOf(keys.functions, [signDepth(keys.functions, 1), signDepth(keys.functions, 2)])).toBe(0)
  })
})
