import { expect, test } from 'vitest'
import { DeployEntry } from '../contract/index.ts'
import type { Instance } from '../engines/index.ts'
import { KeyedQueue } from '../host/index.ts'
import type { DeploymentRecord } from './state/index.ts'
import { replaceStranded, type StrandedOptions } from './stranded.ts'

function record(name: string): DeploymentRecord {
  const config = DeployEntry.parse({ name, packageDir: '/p', filePath: '/p/a.ts' })
  const version = { version: 2, hash: 'h', dir: '/d', entry: 'm.js', kind: 'http' as const, language: 'node' }
  return {
    ...{ name, route: name, active: 2, nextVersion: 3, subscriptions: {}, pausedSchedules: [] },
    versions: [{ ...version, protocol: 2, createdAt: '', config }],
  }
}

function instance(id: string, more: Partial<Instance> = {}): Instance {
  const state: Instance['state'] = { kind: 'running', address: { host: '10.0.0.3', port: 1 } }
  return { id, route: 'any', version: 2, name: id, startedAt: '', state, ...more }
}

async function replaced(running: Record<string, Instance[]>, { failing = '' } = {}) {
  const deployments = Object.fromEntries(Object.keys(running).map(name => [name, record(name)]))
  const done: string[] = []
  const options: StrandedOptions = {
    engine: { instances: async route => running[route!]! },
    state: {
      current: { format: 4, ports: {}, keys: {}, deployments },
      deployment: route => deployments[route],
    },
    queue: new KeyedQueue(),
    instances: {
      start: async ({ route }, { version }, { count }) => {
        if (route === failing) throw new Error('no room')
        done.push(`start ${count} of ${route} v${version}`)
        return Array.from({ length: count }, (_, index) => instance(`new-${index}`))
      },
    },
    switcher: {
      switchTo: async ({ route, started }) => void done.push(`switch ${route} to ${started.length}`),
    },
    log: { warn: ({ deployment }: { deployment?: string }) => done.push(`failed ${deployment}`) },
  }
  await replaceStranded(options, new AbortController().signal)
  return done
}

const stranded = { isStranded: true } as const

test('as many new ones are started as there were, and then the others are left', async () => {
  expect(await replaced({ a: [instance('1', stranded), instance('2', stranded)] })).toEqual([
    'start 2 of a v2',
    'switch a to 2',
  ])
})

test('what is at home stays, and what does not run is not counted', async () => {
  const exited: Instance['state'] = { kind: 'exited', at: '', code: 1, reason: '' }
  expect(await replaced({ a: [instance('1')], b: [instance('2', { ...stranded, state: exited })], c: [] })).toEqual([])
})

test('one that cannot be replaced keeps none of the others', async () => {
  const done = await replaced({ a: [instance('1', stranded)], b: [instance('2', stranded)] }, { failing: 'a' })
  expect(done.sort()).toEqual(['failed a', 'start 1 of b v2', 'switch b to 1'])
})
