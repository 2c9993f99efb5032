import { expect, test } from 'vitest'
import { RyoFaasError, type Need, type TokenView } from '../contract/index.ts'
import { authorize, isShown, type Caller, type Secrets } from './authorize.ts'

const HERE = '127.0.0.1:9998'
const ELSEWHERE = 'code.example'
const READ: Need = { role: 'read', scope: 'all' }
const TOKEN_OF = (about: Partial<TokenView>): TokenView => ({
  id: 'abcdefgh',
  name: 'Ann',
  createdAt: '',
  can: 'read',
  ...about,
})
const SECRETS: Secrets = {
  token: 'token',
  ownerOfKey: key => (key === 'key' ? 'operator' : key === 'anns' ? TOKEN_OF({ can: 'admin' }) : undefined),
  identify: () => {
    throw new RyoFaasError('UNAUTHORIZED', 'nobody has one')
  },
}

test.each<
  [string, Partial<Caller>, 'private' | 'shown' | 'page' | 'public', 'welcome' | 'UNAUTHORIZED' | 'FORBIDDEN_ORIGIN']
>([
  ['the token', { authorization: 'Bearer token' }, 'private', 'welcome'],
  ['the token, to change something', { method: 'POST', authorization: 'bearer token' }, 'private', 'welcome'],
  ['the token under another name', { authorization: 'Bearer token', host: ELSEWHERE }, 'private', 'FORBIDDEN_ORIGIN'],
  ['the token from a page', { authorization: 'Bearer token', origin: 'null' }, 'private', 'FORBIDDEN_ORIGIN'],
  ['no Host', { authorization: 'Bearer token', host: undefined }, 'private', 'FORBIDDEN_ORIGIN'],
  ['IPv6', { authorization: 'Bearer token', host: '[::1]:9998' }, 'private', 'welcome'],
  ['a wrong token', { authorization: 'Bearer tokem' }, 'private', 'UNAUTHORIZED'],
  ['another scheme', { authorization: 'Basic token' }, 'private', 'UNAUTHORIZED'],
  ['nothing', {}, 'private', 'UNAUTHORIZED'],
  ['the key', { authorization: 'Bearer key' }, 'shown', 'welcome'],
  ['the key, for what the dashboard does not show', { authorization: 'Bearer key' }, 'private', 'UNAUTHORIZED'],
  ['the token, for what the dashboard shows', { authorization: 'Bearer token' }, 'shown', 'welcome'],
  ['nothing, for what the dashboard shows', {}, 'shown', 'UNAUTHORIZED'],
  ['the token from another site', { authorization: 'Bearer token', site: 'cross-site' }, 'private', 'FORBIDDEN_ORIGIN'],
  ['the key from the dashboard', { authorization: 'Bearer key', site: 'same-origin' }, 'shown', 'welcome'],
  ['a link to the page from another site', { site: 'cross-site' }, 'page', 'welcome'],
  ['the key, to change something', { method: 'POST', authorization: 'Bearer key' }, 'shown', 'UNAUTHORIZED'],
  ['the key through an editor in a browser', { authorization: 'Bearer key', host: ELSEWHERE }, 'shown', 'welcome'],
  [
    'the same, to change something',
    { method: 'DELETE', authorization: 'Bearer key', host: ELSEWHERE },
    'private',
    'FORBIDDEN_ORIGIN',
  ],
  [
    'the key from a page of elsewhere',
    { authorization: 'Bearer key', origin: 'https://evil.example' },
    'private',
    'FORBIDDEN_ORIGIN',
  ],
  ['nothing under another name', { host: ELSEWHERE }, 'private', 'FORBIDDEN_ORIGIN'],
  ['nothing, for what is public', {}, 'public', 'welcome'],
  ['another name, for what is public', { host: ELSEWHERE }, 'public', 'FORBIDDEN_ORIGIN'],
  ['another name, for the page', { host: ELSEWHERE }, 'page', 'welcome'],
  ['another page, for the page', { host: HERE, origin: 'https://evil.example' }, 'page', 'FORBIDDEN_ORIGIN'],
])('%s', (_what, caller, access, expected) => {
  const needs = { private: READ, shown: READ, page: 'page', public: 'nothing' } as const
  const path = access === 'shown' ? '/v1/platform' : '/v1/secrets'
  const ask = () =>
    authorize({ method: 'GET', path, host: HERE, origin: undefined, authorization: undefined, ...caller }, SECRETS, {
      needs: needs[access],
    })
  if (expected === 'welcome') expect(ask).not.toThrow()
  else expect(ask).toThrow(expect.objectContaining({ code: expected }) as Error)
})

test.each<[string, Partial<TokenView>, Need, string | undefined, true | string]>([
  ['read, to look', {}, READ, undefined, true],
  ['read, to change', {}, { role: 'deploy', scope: 'named' }, 'a', 'may read; this needs one that may deploy'],
  ['deploy, to change', { can: 'deploy' }, { role: 'deploy', scope: 'named' }, 'a', true],
  [
    'deploy, for what is an admin’s',
    { can: 'deploy' },
    { role: 'admin', scope: 'all' },
    undefined,
    'needs one that may admin',
  ],
  ['admin', { can: 'admin' }, { role: 'admin', scope: 'all' }, undefined, true],
  ['for one name, that one', { for: ['staging-*'] }, { role: 'read', scope: 'named' }, 'Staging-shop', true],
  [
    'for one name, another',
    { for: ['staging-*'] },
    { role: 'read', scope: 'named' },
    'shop-staging-x',
    'not for shop-staging-x',
  ],
  [
    'for one name, all',
    { for: ['staging-*'], can: 'admin' },
    { role: 'read', scope: 'all' },
    undefined,
    'concerns all functions',
  ],
  ['for one name, none given', { for: ['a'] }, { role: 'read', scope: 'named' }, undefined, 'concerns all functions'],
  ['for one name, what the handler filters', { for: ['a'] }, { role: 'read', scope: 'filtered' }, undefined, true],
])('a token that may %s', (_what, about, needs, name, expected) => {
  const ask = () =>
    authorize(
      { method: 'POST', path: '/', host: ELSEWHERE, origin: undefined, authorization: 'Bearer ryotoken_abcdefghX' },
      { ...SECRETS, identify: () => TOKEN_OF(about) },
      { needs, name },
    )
  if (expected === true) expect(ask()).toMatchObject({ kind: 'token' })
  else expect(ask).toThrow(expect.objectContaining({ code: 'FORBIDDEN', message: expect.stringContaining(expected) }))
})

test('a token from a page is refused, and one that nobody has is told apart from none', () => {
  const caller = { method: 'GET', path: '/', host: HERE, authorization: 'Bearer ryotoken_abcdefghX' }
  const ask = (origin?: string) => () => authorize({ ...caller, origin }, SECRETS, { needs: READ })
  expect(ask('https://evil.example')).toThrow(expect.objectContaining({ code: 'FORBIDDEN_ORIGIN' }))
  expect(ask()).toThrow(expect.objectContaining({ code: 'UNAUTHORIZED', message: 'nobody has one' }))
})

test('the dashboard key of a token opens as much as the operator’s, and what the token is for', () => {
  const caller = { method: 'GET', host: ELSEWHERE, origin: undefined, authorization: 'Bearer anns' }
  const ask = (path: string, needs: Need) => () => authorize({ ...caller, path }, SECRETS, { needs })
  expect(ask('/traces', READ)()).toMatchObject({ kind: 'token', can: 'read' })
  expect(ask('/v1/secrets', READ)).toThrow(expect.objectContaining({ code: 'FORBIDDEN_ORIGIN' }))
  expect(ask('/traces', { role: 'deploy', scope: 'all' })).toThrow(expect.objectContaining({ code: 'FORBIDDEN' }))
})

test('the dashboard key opens metrics and traces, not logs or names of secrets', () => {
  const paths = ['/v1/platform', '/v1/events', '/traces', '/traces/abc', '/metrics/history']
  expect(paths.filter(path => !isShown(path))).toEqual([])
  const others = [
    '/v1/secrets',
    '/v1/deployments/a/logs',
    '/v1/resources',
    '/metrics',
    '/v1/shutdown',
    '/v1/platform/x',
  ]
  expect(others.filter(isShown)).toEqual([])
})
