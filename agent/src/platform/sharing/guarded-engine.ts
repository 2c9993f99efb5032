/**
 * The engine of an agent that leads for as long as its lease holds: one that does not lead any more starts and ends nothing.
 * What a process that stood still does in the moment in which it wakes is put right by the one that leads then.
 */
import { leaderLost } from '../../cluster/index.ts'
import type { Engine } from '../../engines/index.ts'

export class EngineGuard {
  readonly #isHeld: () => boolean
  #isHandedOver = false
  #onChange: () => void = () => undefined

  constructor(isHeld: () => boolean) {
    this.#isHeld = isHeld
  }

  /** From here on the instances that others see too are left to the next one that leads. */
  handOver(): void {
    this.#isHandedOver = true
  }

  /** It leads again: what had to be left since is looked at. */
  heldAgain(): void {
    this.#onChange()
  }

  guard(engine: Engine): Engine {
    const must = <Args extends unknown[], Result>(run: (...args: Args) => Promise<Result>, left: Result) => {
      return async (...args: Args): Promise<Result> => {
        if (this.#isHandedOver) return engine.isShared ? left : run(...args)
        if (!this.#isHeld()) throw leaderLost()
        return run(...args)
      }
    }
    const guarded: Partial<Engine> = {
      start: async (spec, signal) => {
        if (!this.#isHeld()) throw leaderLost()
        return engine.start(spec, signal)
      },
      stop: must((id, graceMs) => engine.stop(id, graceMs), undefined),
      cleanUp: must(isPruned => engine.cleanUp(isPruned), undefined),
      watch: onChange => {
        this.#onChange = onChange
        engine.watch(onChange)
      },
      instances: async route => (this.#isHandedOver && engine.isShared ? [] : engine.instances(route)),
    }
    return new Proxy(engine, {
      get: (target, name: keyof Engine) => {
        const own = guarded[name] ?? target[name]
        // Its private members are its own.
        return typeof own === 'function' ? (own as () => unknown).bind(target) : own
      },
    })
  }
}
