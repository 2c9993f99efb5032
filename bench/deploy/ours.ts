/**
 * Deploying with our own platform: through the API of a warm agent, as the editor does, and through the command line.
 */
import { join } from 'node:path'
import type { TestPlatform } from '../../agent/test/support/platform.ts'
import type { DeployStep } from '../../agent/src/contract/index.ts'
import { startPlatform, untilSettled, type EngineName } from '../support/platform.ts'
import { pause, untilAnswer } from '../support/programs.ts'
import type { Stage } from '../support/stage.ts'
import { makeProject, type Project } from './project.ts'
import type { Timing, Way } from './way.ts'

const NAME = 'Hello'
/** Longer than the pool and the image take after a deploy. */
const REFILL_MS = 2_500

export interface OurPlatform {
  engine: EngineName
  platform: TestPlatform
  /** One line changed, through the API and through the command line. */
  edits: Way[]
  /** A new function. */
  first(): Promise<Timing>
  /** Nothing changed: until the agent reports that. */
  unchanged(): Promise<Timing>
}

export async function ourPlatform(stage: Stage, engine: EngineName): Promise<OurPlatform> {
  const platform = await startPlatform(stage, engine, ['--pool', '2'])
  const { proxyUrl } = await platform.view()
  const urlOf = (name: string) => `${proxyUrl}/functions/${name.toLowerCase()}`
  const project = await makeProject(join(stage.folder, engine), NAME)
  await deployThroughApi(platform, project)

  let firsts = 0
  const edit = async (deploy: () => Promise<Timing['steps']>): Promise<Timing> => {
    await untilSettled(platform)
    await pause(REFILL_MS)
    return answered(async () => ({ text: await project.edit(), deploy, url: urlOf(NAME) }))
  }
  return {
    engine,
    platform,
    edits: [
      { name: `ours, ${engine}: API`, deploy: () => edit(() => deployThroughApi(platform, project)) },
      {
        name: `ours, ${engine}: command line`,
        deploy: () => edit(() => platform.ok(['deploy', project.deployFile]).then(() => undefined)),
      },
    ],
    first: async () => {
      const name = `First${(firsts += 1)}`
      const fresh = await makeProject(join(stage.folder, engine, name), name)
      return answered(async () => ({
        text: 'edit 0',
        deploy: () => deployThroughApi(platform, fresh),
        url: urlOf(name),
      }))
    },
    unchanged: async () => {
      const begin = performance.now()
      const steps = await deployThroughApi(platform, project)
      return { totalMs: performance.now() - begin, steps }
    },
  }
}

/** From before the edit to the first new response; it waits for the end of the deploy without counting that. */
async function answered(
  start: () => Promise<{ text: string; deploy: () => Promise<Timing['steps']>; url: string }>,
): Promise<Timing> {
  const begin = performance.now()
  const { text, deploy, url } = await start()
  const failure = new AbortController()
  const deploying = deploy().catch((error: unknown) => {
    failure.abort(error)
    throw error
  })
  const [at, steps] = await Promise.all([untilAnswer(url, text, { signal: failure.signal }), deploying])
  return { totalMs: at - begin, steps }
}

/** Returns the duration of each step; the last one ends with the event that says it is done. */
async function deployThroughApi(platform: TestPlatform, project: Project): Promise<Timing['steps']> {
  const client = await platform.client()
  const steps: Partial<Record<DeployStep, number>> = {}
  let current: { step: DeployStep; since: number } | undefined
  const close = () => {
    if (current) steps[current.step] = performance.now() - current.since
  }
  for await (const event of client.stream('deploy', { body: { file: project.deployFile } })) {
    if (event.type === 'failed') throw new Error(event.error.message)
    if (event.type === 'finished' && event.error) throw new Error(event.error.message)
    if (event.type !== 'step' && event.type !== 'deployed') continue
    close()
    current = event.type === 'step' ? { step: event.step, since: performance.now() } : undefined
  }
  return steps
}
