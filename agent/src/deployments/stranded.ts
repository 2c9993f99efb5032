/**
 * Instances that an agent on another machine started, and that this one adopted: they reach proxy and store on a machine
 * that may be gone. Each deployment gets new ones first; calls go on meanwhile.
 */
import type { Engine } from '../engines/index.ts'
import type { KeyedQueue } from '../host/index.ts'
import type { Instances } from './instances.ts'
import { activeVersion, type StateStore } from './state/index.ts'
import type { Switcher } from './switcher.ts'

export interface StrandedOptions {
  engine: Pick<Engine, 'instances'>
  state: Pick<StateStore, 'current' | 'deployment'>
  queue: KeyedQueue
  instances: Pick<Instances, 'start'>
  switcher: Pick<Switcher, 'switchTo'>
  log: { warn(details: object, message: string): void }
}

/** Resolves when all were tried; those that cannot be replaced stay. */
export async function replaceStranded(options: StrandedOptions, signal: AbortSignal): Promise<void> {
  const { engine, state, queue, instances, switcher, log } = options
  const replace = async (route: string): Promise<void> => {
    const record = state.deployment(route)
    if (record === undefined || signal.aborted) return
    const version = activeVersion(record)
    const running = (await engine.instances(route)).filter(({ state: { kind } }) => kind === 'running')
    const count = running.filter(({ version: number }) => number === version.version).length
    if (count === 0 || !running.some(({ isStranded }) => isStranded)) return
    const started = await instances.start(record, version, { count, signal })
    await switcher.switchTo({ ...record, scaledTo: record.scaledTo, version, started })
  }
  const routes = Object.keys(state.current.deployments)
  await Promise.all(
    routes.map(route =>
      queue
        .run(route, () => replace(route))
        .catch((error: unknown) =>
          log.warn({ deployment: route, err: error }, 'its instances look for the platform elsewhere'),
        ),
    ),
  )
}
