/** A whole platform for a bench, with its own home and project and free ports. */
import { TestPlatform } from '../../agent/test/support/platform.ts'
import { until } from './programs.ts'
import type { Stage } from './stage.ts'

export type EngineName = 'docker' | 'process'
export const ENGINES: readonly EngineName[] = ['docker', 'process']

/** Not started yet. */
export async function makePlatform(stage: Stage): Promise<TestPlatform> {
  const platform = await TestPlatform.make()
  stage.onEnd(() => platform.remove())
  return platform
}

export async function startPlatform(stage: Stage, engine: EngineName, flags: string[] = []): Promise<TestPlatform> {
  const platform = await makePlatform(stage)
  await platform.start(engine, flags)
  return platform
}

/** Waits until earlier versions are drained and gone, so that the next measurement does not include it. */
export async function untilSettled(platform: TestPlatform): Promise<void> {
  const client = await platform.client()
  await until(async () => {
    const { deployments } = await client.call('deployments', {})
    const busy = deployments.find(
      ({ instances, desiredInstances }) =>
        instances.filter(({ state }) => state !== 'frozen').length !== desiredInstances,
    )
    if (busy) throw new Error(`${busy.name} is still draining`)
  })
}
