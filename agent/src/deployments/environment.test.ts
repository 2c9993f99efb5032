import { ENV } from '@ryo-faas/runtime/protocol'
import { expect, test } from 'vitest'
import { Credentials } from '../access/index.ts'
import { TEST_KEYS } from '../access/access-testing.ts'
import { DeployEntry } from '../contract/index.ts'
import type { VersionRecord } from './state/index.ts'
import { instanceEnvironment } from './environment.ts'

const credentials = new Credentials(TEST_KEYS)

function environmentOf(entry: object): Record<string, string> {
  const config = DeployEntry.parse({ name: 'Audit', packageDir: '/p', filePath: '/p/a.ts', ...entry })
  const version: VersionRecord = {
    ...{
      version: 1,
      hash: 'h',
      dir: '/p',
      entry: 'main.mjs',
      kind: 'http',
      language: 'node',
      protocol: 2,
      createdAt: '',
      config,
    },
  }
  return instanceEnvironment('Audit', version, {
    id: 'i1',
    proxyUrl: 'http://proxy:1',
    storeUrl: 'http://store:1',
    tokenOf: claims => credentials.functionToken(claims),
    deliveryTokenOf: route => credentials.deliveryToken(route),
    traces: { url: 'http://collector:1', token: 'of-a-part', perSecond: 1, ratio: 0, slowMs: 0 },
  })
}

const principalOf = (environment: Record<string, string>) => credentials.identify(`Bearer ${environment[ENV.token]}`)

test('an instance is given the token of its deployment, with the rights of deploy.json', () => {
  const function_ = { kind: 'function', route: 'audit' }
  expect(principalOf(environmentOf({}))).toEqual(function_)
  const rights = { read: ['orders'], write: [] }
  expect(principalOf(environmentOf({ store: { read: ['orders'] } }))).toEqual({ ...function_, ...rights })
  expect(principalOf(environmentOf({ store: {} }))).toEqual({ ...function_, read: [], write: [] })
})

test('neither variables nor secrets of a user override ours', () => {
  for (const variable of Object.values(ENV)) {
    const own = environmentOf({ env: { [variable]: 'faked', MINE: '1' } })
    expect(own['MINE']).toBe('1')
    if (variable in environmentOf({})) expect(own[variable], variable).not.toBe('faked')
  }
  expect(principalOf(environmentOf({ secrets: [ENV.token] }))).toMatchObject({ route: 'audit' })
})

test('a secret wins over a variable of the same name', () => {
  expect(environmentOf({ env: { KEY: 'variable' }, secrets: ['KEY'] })).not.toHaveProperty('KEY')
})

test('an instance is given the token by which it recognises the platform, for its own deployment', () => {
  expect(environmentOf({})[ENV.deliveryToken]).toBe(credentials.deliveryToken('audit'))
})

test('the key of the parts of the platform is in no variable', () => {
  expect(JSON.stringify(environmentOf({}))).not.toContain('of-a-part')
})

test('the mode is production, unless variables or secrets say otherwise', () => {
  expect(environmentOf({})['NODE_ENV']).toBe('production')
  expect(environmentOf({ env: { NODE_ENV: 'test' } })['NODE_ENV']).toBe('test')
  // Variables would win over the secret.
  expect(environmentOf({ secrets: ['NODE_ENV'] })).not.toHaveProperty('NODE_ENV')
})
