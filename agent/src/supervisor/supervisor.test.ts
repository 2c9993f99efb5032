import { expect, test } from 'vitest'
import { Supervisor, type Part, type RunningPart } from './index.ts'

/** A part that comes up when it is told to, and notes what is done with it. */
function makePart(log: string[]) {
  let up!: (running: RunningPart) => void
  let die!: () => void
  const part: Part = {
    name: 'proxy',
    ensure: () => {
      log.push('start')
      return new Promise(resolve => (up = resolve))
    },
    stop: async () => {
      log.push('stop')
      die()
    },
  }
  const gone = new Promise<void>(resolve => (die = resolve))
  return { part, comeUp: () => up({ address: '127.0.0.1:1', gone }) }
}

test('a part that is stopped while it starts is ended once it is up, and not restarted', async () => {
  const log: string[] = []
  const { part, comeUp } = makePart(log)
  const supervisor = new Supervisor()
  supervisor.events.on('changed', name => log.push(`changed ${name}`))
  const started = supervisor.start(part)
  const stopped = supervisor.stop(part)
  comeUp()
  await Promise.all([started, stopped])
  expect(log).toEqual(['start', 'changed proxy', 'stop'])
})

test('a part that dies is restarted, and its change is told', async () => {
  const log: string[] = []
  const { part, comeUp } = makePart(log)
  const supervisor = new Supervisor()
  const started = supervisor.start(part)
  comeUp()
  await started
  const changed = new Promise(resolve => supervisor.events.once('changed', resolve))
  await part.stop()
  expect(await changed).toBe('proxy')
  expect(supervisor.views()).toMatchObject([{ name: 'proxy', state: 'starting', restarts: 1 }])
  supervisor.close()
})
