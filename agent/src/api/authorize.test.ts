import { expect, test } from 'vitest'
import { authorize, isShown, type Caller, type Rules } from './authorize.ts'

const HERE = '127.0.0.1:9998'
const ELSEWHERE = 'code.example'

test.each<[string, Partial<Caller>, Rules['access'], 'welcome' | 'UNAUTHORIZED' | 'FORBIDDEN_ORIGIN']>([
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
  const ask = () =>
    authorize(
      { method: 'GET', host: HERE, origin: undefined, authorization: undefined, ...caller },
      { token: 'token', key: 'key', access },
    )
  if (expected === 'welcome') expect(ask).not.toThrow()
  else expect(ask).toThrow(expect.objectContaining({ code: expected }) as Error)
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
