import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { platformView } from '../testing/views-of-platform.ts'
import type { PlatformLink, Snapshot } from './platform-link.ts'
import { noticeUpdates } from './update-notice.ts'

function stage(build: string | undefined) {
  const events = new EventEmitter()
  const kept = new Map<string, unknown>()
  const said: { message: string; buttons: string[] }[] = []
  const snapshot: Snapshot = { token: '', platform: platformView(), deployments: [] }
  const link: Pick<PlatformLink, 'isReady' | 'onChange' | 'server' | 'snapshot'> = {
    server: undefined,
    isReady: true,
    snapshot,
    onChange: listener => {
      events.on('change', listener)
      return { dispose: () => void events.off('change', listener) }
    },
  }
  noticeUpdates({
    link,
    ui: { say: (message, ...buttons) => void said.push({ message, buttons: buttons.map(({ title }) => title) }) },
    memory: {
      get: (key: string) => kept.get(key) as undefined,
      update: async (key, value) => void kept.set(key, value),
    },
    build: async () => build,
    restart: () => undefined,
  })
  const runs = async (running: string | undefined) => {
    snapshot.platform = platformView(running === undefined ? {} : { build: running })
    events.emit('change')
    events.emit('change')
    await new Promise(resolve => setImmediate(resolve))
    return said.splice(0)
  }
  return { runs }
}

test('a platform that an earlier version of the extension started is offered a restart, once', async () => {
  const { runs } = stage('new')
  expect(await runs('old')).toEqual([
    { message: expect.stringContaining('ryo-faas was updated') as string, buttons: ['Restart'] },
  ])
  expect(await runs('old')).toEqual([])
  expect(await runs('new')).toEqual([])
})

test('a platform that no extension started, or one that is started by other means, is left alone', async () => {
  expect(await stage('new').runs(undefined)).toEqual([])
  expect(await stage(undefined).runs('old')).toEqual([])
})
