/** What every source of triggers keeps to, whatever its kind: see `source.ts`. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { STREAMS } from '../../../../bus/index.ts'
import { until as untilThen } from '../../../../../test/support/until.ts'
import { Stage, until } from '../../dispatcher-testing.ts'
import { trimStream } from '../trim-stream.ts'
import type { Occurrence, RunningSource, Subscription, TriggerEvent, TriggerSource } from '../source.ts'

export interface SourceUnderTest<Spec> {
  source: TriggerSource<Spec>
  spec: Spec
  /** Causes this many events that the trigger matches. */
  happen(count: number): Promise<void>
  secrets?: Readonly<Record<string, string>>
  /** Nothing is kept for it: what happens while it does not run is lost. */
  isForgetful?: boolean
  /** Its server delivers what was in flight again in any order. */
  isRedelivered?: boolean
}

/** Accepts offers, up to `capacity`. */
class Recorder {
  readonly offered: Occurrence[] = []
  readonly refusals: string[] = []
  /** Offers for which there was no slot. */
  excess = 0
  capacity: number

  constructor(capacity = 1_000) {
    this.capacity = capacity
  }

  slots() {
    return { free: this.capacity - this.offered.length, all: this.capacity }
  }

  offer(occurrence: Occurrence): void {
    if (this.slots().free <= 0) this.excess += 1
    this.offered.push(occurrence)
  }

  refused(reason: string): void {
    this.refusals.push(reason)
  }

  get sequences(): number[] {
    return this.offered.map(({ sequence }) => sequence)
  }

  events(): Promise<TriggerEvent[]> {
    const { signal } = new AbortController()
    return Promise.all(this.offered.map(occurrence => occurrence.event(signal)))
  }

  async ids(): Promise<string[]> {
    return (await this.events()).map(({ id }) => id)
  }

  async has(count: number): Promise<void> {
    // A request that is lost on the way is noticed by missing heartbeats, after 12.5 to 17.5 s.
    await untilThen(async () => this.offered.length >= count || undefined, 50_000, `${count} are offered`)
  }
}

export function triggerSourceContract<Spec>(
  make: (stage: Stage) => SourceUnderTest<Spec> | Promise<SourceUnderTest<Spec>>,
): void {
  let stage: Stage
  let under: SourceUnderTest<Spec>
  let subscription: Subscription<Spec>
  const running: RunningSource[] = []

  beforeEach(async () => {
    stage = await Stage.open()
    const from = { kind: 'time', time: new Date().toISOString() } as const
    under = await make(stage)
    subscription = { spec: under.spec, from, functionName: 'FN', secrets: under.secrets ?? {} }
  })
  afterEach(async () => {
    await Promise.all(running.splice(0).map(each => each.stop()))
    await under.source.close?.()
    await stage.end()
  })

  const start = (sequence: number, recorder: Recorder): RunningSource => {
    const started = under.source.start(subscription, { epoch: 1, sequence }, recorder)
    running.push(started)
    return started
  }

  it('offers each event once, in order, as events that can be told apart', async () => {
    const recorder = new Recorder()
    start(await under.source.begin(subscription), recorder)
    await under.happen(5)
    await recorder.has(5)
    expect(recorder.sequences).toEqual([...new Set(recorder.sequences)].sort((a, b) => a - b))
    expect(new Set(await recorder.ids()).size).toBe(5)
    expect(recorder.refusals).toEqual([])
    for (const { time, body, request } of await recorder.events()) {
      expect(new Date(time).toISOString()).toBe(time)
      if (request !== undefined) continue
      const event = JSON.parse(Buffer.from(body).toString()) as Record<string, unknown>
      expect(event['specversion']).toBe('1.0')
      expect([typeof event['id'], typeof event['source'], typeof event['type']]).toEqual(['string', 'string', 'string'])
    }
  })

  it('offers after a restart everything after its checkpoint, under the same ids, and nothing before it', async () => {
    const first = new Recorder()
    const begun = start(await under.source.begin(subscription), first)
    await under.happen(6)
    await first.has(6)
    for (const { ended } of first.offered.slice(0, 3)) ended?.()
    await begun.stop()
    const { isForgetful = false, isRedelivered = false } = under
    if (!isForgetful) await under.happen(2)
    const second = new Recorder()
    start(first.sequences[2]!, second)
    if (isForgetful) await under.happen(2)
    const kept = isForgetful ? 0 : 3
    await second.has(kept + 2)
    const [again, before] = [(await second.ids()).slice(0, kept), (await first.ids()).slice(6 - kept)]
    expect(isRedelivered ? again.sort() : again).toEqual(before)
    expect(second.offered).toHaveLength(kept + 2)
    expect(second.sequences[0]).toBeGreaterThan(first.sequences[2]!)
  })

  it('offers no more than there are slots for, and continues when it is woken', async () => {
    const recorder = new Recorder(4)
    const begun = start(await under.source.begin(subscription), recorder)
    await under.happen(10)
    await recorder.has(4)
    recorder.capacity = 1_000
    begun.wake()
    await recorder.has(10)
    expect(recorder.excess).toBe(0)
    expect(recorder.sequences).toEqual([...new Set(recorder.sequences)].sort((a, b) => a - b))
  })

  it('knows how much it has not offered yet', async () => {
    const recorder = new Recorder(2)
    const begun = start(await under.source.begin(subscription), recorder)
    await under.happen(6)
    await recorder.has(2)
    await until(async () => (await begun.pending()) === 4, 'four wait')
  })

  it('offers nothing after it was stopped', async () => {
    const stopped = new Recorder()
    const begun = start(await under.source.begin(subscription), stopped)
    await under.happen(1)
    await stopped.has(1)
    await begun.stop()
    for (const { ended } of stopped.offered) ended?.()
    const another = new Recorder()
    start(stopped.sequences[0]!, another)
    await under.happen(3)
    await another.has(3)
    expect(stopped.offered).toHaveLength(1)
  })

  it('blocks the trimming of its own stream only', async () => {
    const trigger = { name: 'fn.on', source: under.source }
    await stage.change()
    await stage.publish()
    const options = { retentionMs: 0, now: Date.now() + 10_000, term: 0 }
    for (const stream of [STREAMS.events, STREAMS.published]) {
      expect(await trimStream(stage.bus, [trigger], { stream, ...options })).toBe(
        under.source.stream === stream ? 0 : 1,
      )
    }
  })
}
