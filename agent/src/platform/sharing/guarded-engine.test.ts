import { expect, test } from 'vitest'
import type { Engine } from '../../engines/index.ts'
import { EngineGuard } from './guarded-engine.ts'

/** With a private member, as engines have. */
class CountingEngine {
  readonly kind = 'counting'
  readonly isShared: boolean
  #done: string[] = []

  constructor(isShared: boolean) {
    this.isShared = isShared
  }
  get done(): string[] {
    return this.#done
  }
  async start(): Promise<void> {
    this.#done.push('start')
  }
  async stop(id: string): Promise<void> {
    this.#done.push(`stop ${id}`)
  }
  async cleanUp(): Promise<void> {
    this.#done.push('clean up')
  }
  watch(): void {}
  async instances(): Promise<{ id: string }[]> {
    return [{ id: 'a' }]
  }
}

function make({ isShared }: { isShared: boolean }) {
  const lease = { isHeld: true }
  const guard = new EngineGuard(() => lease.isHeld)
  const real = new CountingEngine(isShared)
  const engine = guard.guard(real as unknown as Engine)
  const act = async () => {
    const outcomes = await Promise.allSettled([
      engine.start({} as never, new AbortController().signal),
      engine.stop('a', 0),
      engine.cleanUp(true),
    ])
    return outcomes.map(outcome => (outcome.status === 'fulfilled' ? 'ok' : (outcome.reason as { code: string }).code))
  }
  return { lease, guard, real, engine, act }
}

test('who leads uses the engine as it is', async () => {
  const { act, real, engine } = make({ isShared: true })
  expect(await act()).toEqual(['ok', 'ok', 'ok'])
  expect([engine.kind, real.done]).toEqual(['counting', ['start', 'stop a', 'clean up']])
})

test('who does not lead any more starts and ends nothing, may look, and looks again when it leads again', async () => {
  const { act, real, lease, engine, guard } = make({ isShared: true })
  let looked = 0
  engine.watch(() => (looked += 1))
  lease.isHeld = false
  expect(await act()).toEqual(['LEADER_LOST', 'LEADER_LOST', 'LEADER_LOST'])
  expect([real.done, (await engine.instances()).length]).toEqual([[], 1])
  guard.heldAgain()
  expect(looked).toBe(1)
})

test('who hands over leaves what others see, and ends what is its own', async () => {
  const shared = make({ isShared: true })
  shared.guard.handOver()
  shared.lease.isHeld = false
  expect(await shared.act()).toEqual(['LEADER_LOST', 'ok', 'ok'])
  expect([shared.real.done, await shared.engine.instances()]).toEqual([[], []])
  const own = make({ isShared: false })
  own.guard.handOver()
  own.lease.isHeld = false
  expect(await own.act()).toEqual(['LEADER_LOST', 'ok', 'ok'])
  expect([own.real.done, (await own.engine.instances()).length]).toEqual([['stop a', 'clean up'], 1])
})
