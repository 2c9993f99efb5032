import { expect, test } from 'vitest'
import { findingsOf } from './swarm-members.ts'

const own = { Architecture: 'x86_64', OSType: 'linux' }
const theirs = {
  ...own,
  ...{
    Name: 'two',
    ServerVersion: '26.1.5',
    RegistryConfig: { InsecureRegistryCIDRs: ['127.0.0.0/8', '10.0.0.0/24'] },
  },
  Swarm: { NodeID: '', NodeAddr: '', LocalNodeState: 'inactive', ControlAvailable: false },
}
const problems = (change: object, wish = { manager: '10.0.0.1', hasRegistry: false, isMember: false }) =>
  findingsOf({ ...theirs, ...change }, own, wish).filter(({ status }) => status !== 'ok')

test('a machine that is as it has to be', () => {
  expect(problems({})).toEqual([])
})

test.each([
  ['an old Docker', { ServerVersion: '24.0.7' }, 'fail', /Docker 25/],
  ['another processor', { Architecture: 'aarch64' }, 'warn', /"nodes"/],
  ['another swarm', { Swarm: { ...theirs.Swarm, LocalNodeState: 'active' } }, 'fail', /swarm leave/],
  [
    'no way to images',
    { RegistryConfig: { InsecureRegistryCIDRs: null } },
    'fail',
    /"insecure-registries": \["10\.0\.0\.1"\]/,
  ],
])('%s is said, and how to mend it', (_, change, status, fix) => {
  expect(problems(change)).toEqual([expect.objectContaining({ status, fix: expect.stringMatching(fix) as string })])
})

test('with a registry nothing has to be changed there', () => {
  expect(problems({ RegistryConfig: {} }, { manager: '10.0.0.1', hasRegistry: true, isMember: false })).toEqual([])
})
