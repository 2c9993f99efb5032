/**
 * The proxy under any sequence of calls, wakes, freezes, tables and failures, next to a model that says what must have
 * become of every call. After each step the two must agree; nothing is left to time.
 * Generated from a seed: `FUZZ_SEED`, `FUZZ_ROUNDS`.
 */
import http from 'node:http'
import fc from 'fast-check'
import { expect, it, onTestFinished } from 'vitest'
import { Stage, until, type TestInstance } from '../proxy-testing.ts'
import type { Proxy } from '../proxy.ts'
import type { RouteInput } from '../../../routes/index.ts'
import { IS_WHOLE } from '../../../../test/support/whole-suite.ts'

const MAX = 3
const CONCURRENCY = 2
const BOUND = MAX * CONCURRENCY
const NAMES = ['a', 'b'] as const

type Step =
  | { kind: 'call'; fn: number; count: number; hasBody: boolean }
  | { kind: 'finish' | 'leave'; fn: number; which: number }
  | { kind: 'wake' | 'freeze' | 'start' | 'stop'; fn: number; which: number; asTable: boolean }
  | { kind: 'fail' | 'remove' | 'table'; fn: number }

/** One of our calls: what became of it, and what must. */
interface Caller {
  id: string
  request: http.ClientRequest
  outcome: 'open' | 'left' | number
  expected: number
}

class ModelInstance {
  isFrozen = false
  readonly running: { caller: Caller; finish: () => void }[] = []
  readonly address: TestInstance

  constructor(address: TestInstance) {
    this.address = address
  }
}

class ModelFunction {
  readonly name: string
  isDeployed = true
  instances: ModelInstance[] = []
  /** In the order in which they came. */
  waiting: Caller[] = []
  /** At instances, also at ones that are not in the route any more. */
  running = 0
  unavailable: string | undefined

  constructor(name: string) {
    this.name = name
  }

  get awake(): ModelInstance[] {
    return this.instances.filter(({ isFrozen }) => !isFrozen)
  }
}

/** The agent, the instances and the callers of a proxy, and the model. */
class World {
  readonly stage = new Stage()
  readonly functions = NAMES.map(name => new ModelFunction(name))
  readonly callers: Caller[] = []
  readonly broken: string[] = []
  #proxy: Proxy | undefined
  #generation = 0

  async start(): Promise<void> {
    this.#proxy = await this.stage.proxy({ readyTimeoutMs: 600_000, settleMs: 0, graceMs: 0 })
    await this.publish()
  }

  #route({ name, instances, unavailable }: ModelFunction): RouteInput {
    return {
      ...{ name, displayName: name, version: 1, timeoutMs: 600_000, concurrency: CONCURRENCY, isAnonymous: true },
      scale: { max: MAX },
      ...(unavailable !== undefined && { unavailable }),
      instances: instances.map(({ isFrozen, address: { id, host, port } }) => ({
        ...{ id, host, port },
        ...(isFrozen && { isFrozen: true as const }),
      })),
    }
  }

  async publish(fn?: ModelFunction): Promise<void> {
    const base = this.#generation
    this.#generation += 1
    const generation = this.#generation
    if (fn !== undefined) {
      await (
        await this.#proxy!.setRoute({ base, generation, route: this.#route(fn) })
      ).settled
      return
    }
    const routes = this.functions.filter(({ isDeployed }) => isDeployed).map(each => this.#route(each))
    await this.#proxy!.setRoutes({ generation, routes })
  }

  async newInstance(fn: ModelFunction): Promise<ModelInstance> {
    const address = await this.stage.http((request, response) => {
      const caller = this.callers.find(({ id }) => request.url === `/${id}`)!
      if (instance.isFrozen) this.broken.push(`call ${caller.id} came to a frozen instance`)
      if (!fn.instances.includes(instance)) this.broken.push(`call ${caller.id} came to an instance that is gone`)
      const finish = () => request.resume().on('end', () => response.end(caller.id))
      instance.running.push({ caller, finish })
      if (instance.running.length > CONCURRENCY) this.broken.push('more calls than its concurrency')
    })
    const instance = new ModelInstance(address)
    return instance
  }

  call(fn: ModelFunction, hasBody: boolean): void {
    const id = `${fn.name}${this.callers.length}`
    const { port } = this.#proxy!.address
    const request = http.request({
      ...{ host: '127.0.0.1', port, path: `/functions/${fn.name}/${id}`, agent: false },
      method: hasBody ? 'POST' : 'GET',
    })
    const caller: Caller = { id, request, outcome: 'open', expected: 200 }
    this.callers.push(caller)
    request.on('response', response => {
      let text = ''
      response.on('data', piece => (text += String(piece)))
      response.on('end', () => {
        caller.outcome = response.statusCode!
        if (caller.outcome === 200 && text !== id) this.broken.push(`call ${id} has the answer ${text}`)
      })
    })
    request.on('error', () => {
      if (caller.outcome === 'open') caller.outcome = 'left'
    })
    request.end(hasBody ? 'x'.repeat(1_000) : undefined)
    this.#expect(fn, caller)
  }

  /** What must become of a new call. */
  #expect(fn: ModelFunction, caller: Caller): void {
    if (!fn.isDeployed) caller.expected = 404
    else if (this.#hasRoom(fn)) fn.running += 1
    else if (fn.awake.length < MAX && fn.waiting.length < BOUND) fn.waiting.push(caller)
    else caller.expected = 429
  }

  #hasRoom(fn: ModelFunction): boolean {
    return fn.awake.some(({ running }) => running.length < CONCURRENCY)
  }

  /** Those that wait go where there is room now, the first first. */
  #serve(fn: ModelFunction): Caller[] {
    const room = fn.awake.reduce((sum, { running }) => sum + CONCURRENCY - running.length, 0)
    const served = fn.waiting.splice(0, room)
    fn.running += served.length
    return served
  }

  async step(step: Step): Promise<void> {
    const fn = this.functions[step.fn]!
    let served: Caller[] = []
    switch (step.kind) {
      case 'call':
        this.call(fn, step.hasBody)
        if (step.count === 1) break
        await this.#agree(fn, [])
        return this.step({ ...step, count: step.count - 1 })
      case 'finish': {
        const busy = fn.instances.filter(({ running }) => running.length > 0)
        const instance = busy[step.which % busy.length]
        if (instance === undefined) return
        instance.running.shift()!.finish()
        fn.running -= 1
        served = this.#serve(fn)
        break
      }
      case 'leave': {
        if (fn.waiting.length === 0) return
        const [caller] = fn.waiting.splice(step.which % fn.waiting.length, 1)
        caller!.outcome = 'left'
        caller!.request.destroy()
        break
      }
      case 'wake': {
        const asleep = fn.instances.filter(({ isFrozen }) => isFrozen)
        if (!fn.isDeployed || asleep.length === 0 || fn.awake.length === MAX) return
        asleep[step.which % asleep.length]!.isFrozen = false
        served = this.#serve(fn)
        await this.publish(step.asTable ? undefined : fn)
        break
      }
      case 'freeze': {
        // The agent freezes what is idle.
        const idle = fn.awake.filter(({ running }) => running.length === 0)
        const instance = idle[step.which % idle.length]
        if (!fn.isDeployed || instance === undefined) return
        instance.isFrozen = true
        await this.publish(step.asTable ? undefined : fn)
        break
      }
      case 'start': {
        if (!fn.isDeployed || fn.instances.length === MAX) return
        fn.instances.push(await this.newInstance(fn))
        served = this.#serve(fn)
        await this.publish(step.asTable ? undefined : fn)
        break
      }
      case 'stop': {
        const idle = fn.instances.filter(({ running }) => running.length === 0)
        const instance = idle[step.which % idle.length]
        if (!fn.isDeployed || instance === undefined) return
        fn.instances.splice(fn.instances.indexOf(instance), 1)
        await this.publish(step.asTable ? undefined : fn)
        break
      }
      case 'fail': {
        if (!fn.isDeployed) return
        for (const caller of fn.waiting.splice(0)) caller.expected = 503
        fn.unavailable = 'no memory'
        await this.publish(fn)
        fn.unavailable = undefined
        break
      }
      case 'remove': {
        if (fn.running > 0) return
        fn.isDeployed = !fn.isDeployed
        fn.instances = []
        for (const caller of fn.waiting.splice(0)) caller.expected = 404
        await this.publish()
        break
      }
      case 'table':
        await this.publish()
        break
    }
    await this.#agree(fn, served)
  }

  /** The proxy and its instances are where the model is. */
  async #agree(fn: ModelFunction, served: readonly Caller[]): Promise<void> {
    const what = () =>
      JSON.stringify({ fn: fn.name, running: fn.running, waiting: fn.waiting.length, at: this.#atInstances(fn) })
    const counted = async () =>
      (await this.#proxy!.stats()).functions.find(({ name }) => name === fn.name)?.inflight ?? 0
    await until(
      async () =>
        this.broken.length > 0 ||
        (this.#atInstances(fn) === fn.running &&
          (await counted()) === fn.running + fn.waiting.length &&
          this.#open(fn) === fn.running + fn.waiting.length),
      what(),
    )
    expect(this.broken).toEqual([])
    const ran = fn.instances.flatMap(({ running }) => running.map(({ caller }) => caller))
    expect(served.filter(caller => !ran.includes(caller))).toEqual([])
  }

  #atInstances({ instances }: ModelFunction): number {
    return instances.reduce((sum, { running }) => sum + running.length, 0)
  }

  #open({ name }: ModelFunction): number {
    return this.callers.filter(({ id, outcome }) => id.startsWith(name) && outcome === 'open').length
  }

  /** Every call that is open runs to its end; none is lost. */
  async finish(): Promise<void> {
    for (const fn of this.functions) {
      while (fn.running + fn.waiting.length > 0) {
        if (fn.running > 0) await this.step({ kind: 'finish', fn: this.functions.indexOf(fn), which: 0 })
        else {
          const kind = fn.instances.some(({ isFrozen }) => isFrozen) ? 'wake' : 'start'
          await this.step({ kind, fn: this.functions.indexOf(fn), which: 0, asTable: false })
        }
      }
    }
    const wrong = this.callers.filter(({ outcome, expected }) => outcome !== 'left' && outcome !== expected)
    expect(wrong.map(({ id, outcome, expected }) => `${id}: ${outcome}, not ${expected}`)).toEqual([])
  }
}

const fn = fc.nat({ max: NAMES.length - 1 })
const hasBody = fc.boolean()
const which = fc.nat({ max: 9 })
const change = (kind: 'wake' | 'freeze' | 'start' | 'stop') =>
  fc.record({ kind: fc.constant(kind), fn, which, asTable: fc.boolean() })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('call' as const), fn, count: fc.integer({ min: 1, max: 4 }), hasBody }),
  },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('finish' as const), fn, which }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), fn, which }) },
  { weight: 3, arbitrary: change('wake') },
  { weight: 5, arbitrary: change('freeze') },
  { weight: 2, arbitrary: change('start') },
  { weight: 1, arbitrary: change('stop') },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('fail' as const, 'remove' as const, 'table' as const), fn }),
  },
)

it('no call is lost, none comes to a frozen instance, they are served in turn, and no more wait than may', async () => {
  let world: World | undefined
  onTestFinished(() => world?.stage.end())
  const run = async (steps: Step[]) => {
    world = new World()
    try {
      await world.start()
      for (const each of steps) await world.step(each)
      await world.finish()
    } finally {
      await world.stage.end()
    }
  }
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 100, maxLength: 150 }), run), {
    ...{
      seed: Number(process.env['FUZZ_SEED'] ?? 15),
      numRuns: Number(process.env['FUZZ_ROUNDS'] ?? (IS_WHOLE ? 4 : 2)),
      endOnFailure: true,
    },
  })
}, 600_000)
