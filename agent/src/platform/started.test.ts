import { expect, test } from 'vitest'
import { Started } from './started.ts'

/** Three things, of which the second cannot be ended. */
function threeThings() {
  const log: string[] = []
  const started = new Started()
  for (const name of ['engine', 'proxy', 'functions']) {
    started.add({
      close: () => void log.push(`close ${name}`),
      end: async prune => {
        log.push(`end ${name}${prune ? ' and its data' : ''}`)
        if (name === 'proxy') throw new Error('the proxy hangs')
        return [name]
      },
    })
  }
  return { started, log }
}

test('what was started is closed in reverse, once, and goes on', async () => {
  const { started, log } = threeThings()
  await started.close()
  await started.close()
  expect(log).toEqual(['close functions', 'close proxy', 'close engine'])
})

test('ending stops at what cannot be ended; what that stands on is left running and can be closed', async () => {
  const { started, log } = threeThings()
  await expect(started.end(true)).rejects.toThrow('the proxy hangs')
  expect(log.splice(0)).toEqual([
    'end functions and its data',
    'close functions',
    'end proxy and its data',
    'close proxy',
  ])
  await started.close()
  expect(log).toEqual(['close engine'])
})

test('a start that is taken back ends everything, whatever cannot be ended', async () => {
  const { started, log } = threeThings()
  await started.takeBack()
  expect(log).toEqual(['end functions', 'close functions', 'end proxy', 'close proxy', 'end engine', 'close engine'])
})

test('names of what ended come in the order in which it ended', async () => {
  const started = new Started()
  started.add({ end: async () => ['nats'] }, { close: () => undefined }, { end: async () => ['b', 'a'] })
  expect(await started.end(false)).toEqual(['b', 'a', 'nats'])
})
