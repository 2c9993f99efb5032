/** No call fails while a function is redeployed, rolled back and scaled, and while the agent dies. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Docker from 'dockerode'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DeploymentView } from '../../src/contract/index.ts'
import { startLoad } from '../support/load.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { sampleOf } from '../support/whole-suite.ts'

const code = (answer: string) =>
  `export const work = (request: Request) => request.text().then(() => new Response('${answer}'))`

/** About a thousand calls a second: with all that the machine can do, a deploy takes many times as long. */
const PAUSE_MS = 50

for (const engine of sampleOf(['docker', 'process'])) {
  describe(`under load on the ${engine} engine`, () => {
    let platform: TestPlatform
    let file: string
    let url: string

    beforeAll(async () => {
      platform = await TestPlatform.make()
      const { proxyUrl } = await platform.start(engine)
      url = `${proxyUrl}/functions/work`
      file = await writeProject(join(platform.home, 'project'), {
        work: { code: code('one'), options: { instances: 1, memoryMb: 192 } },
      })
      await platform.ok(['deploy', file])
    })
    afterAll(() => platform.remove())

    const change = (answer: string) => writeFile(join(platform.home, 'project/work/main.ts'), code(answer))

    for (const method of ['GET', 'POST'] as const) {
      test(`a redeploy and a rollback lose no ${method}`, async () => {
        const load = startLoad(url, { method, pauseMs: PAUSE_MS, ...(method === 'POST' && { body: 'x'.repeat(1000) }) })
        await load.after(500)
        await change(`new ${method}`)
        await platform.ok(['deploy', file])
        await load.after(500)
        await platform.ok(['rollback', 'work'])
        await load.after(500)
        const { failures, bodies } = await load.stop()
        expect(failures).toEqual([])
        expect(bodies.get(`new ${method}`)).toBeGreaterThan(400)
        // The version from before the redeploy serves again after the rollback.
        expect(await (await fetch(url, { method, ...(method === 'POST' && { body: 'x' }) })).text()).not.toBe(
          `new ${method}`,
        )
      })
    }

    test('scaling from 1 to 4 and back loses no call', async () => {
      const load = startLoad(url, { pauseMs: PAUSE_MS })
      await load.after(200)
      await platform.ok(['scale', 'work', '4'])
      expect((await platform.details('work')).instances.filter(({ state }) => state === 'ready')).toHaveLength(4)
      await load.after(500)
      await platform.ok(['scale', 'work', '1'])
      await load.after(500)
      expect((await load.stop()).failures).toEqual([])
    })

    test('kill -9 of the agent loses no call, and it comes back and adopts what runs', async () => {
      const before = await platform.details('work')
      const load = startLoad(url, { pauseMs: PAUSE_MS })
      await load.after(200)
      const { pid } = JSON.parse(await readFile(join(platform.home, 'agent.json'), 'utf8')) as { pid: number }
      process.kill(pid, 'SIGKILL')
      const view = await until(async () => {
        const found = await platform.view().catch(() => undefined)
        return found?.phase.kind === 'ready' && found.parts[0]!.pid !== pid ? found : undefined
      })
      await load.after(500)
      expect((await load.stop()).failures).toEqual([])
      expect(view.parts.find(({ name }) => name === 'proxy')!.restarts).toBe(0)
      await expect.poll(async () => readyOnes(await platform.details('work'))).toEqual(readyOnes(before))
    })

    test('kill -9 of one of two instances loses at most what it had in flight, and it is replaced', async () => {
      await platform.ok(['scale', 'work', '2'])
      const [victim] = (await platform.details('work')).instances
      const load = startLoad(url, { pauseMs: PAUSE_MS })
      await load.after(500)
      await killInstance(engine, platform, victim!.id)
      await load.after(1000)
      await until(async () => {
        const { instances } = await platform.details('work')
        const ready = instances.filter(({ state }) => state === 'ready')
        return (ready.length === 2 && !ready.some(({ id }) => id === victim!.id)) || undefined
      })
      const { failures } = await load.stop()
      // GETs are retried on the other instance, unless their response had started.
      expect(failures.length).toBeLessThanOrEqual(32)
      for (const failure of failures) expect(failure).toMatch(/FUNCTION_CRASHED|closed/)
      await expect.poll(async () => (await platform.details('work')).lastExit?.reason).toMatch(/killed|died/)
    })
  })
}

function readyOnes({ instances }: DeploymentView) {
  return instances.filter(({ state }) => state === 'ready')
}

async function killInstance(engine: 'docker' | 'process', platform: TestPlatform, id: string): Promise<void> {
  if (engine === 'docker') {
    const docker = new Docker()
    const [info] = await docker.listContainers({ filters: { label: [`${platform.project}.instance=${id}`] } })
    const { State } = await docker.getContainer(info!.Id).inspect()
    return void process.kill(State.Pid, 'SIGKILL')
  }
  const record = JSON.parse(await readFile(join(platform.home, 'run/instances', `${id}.json`), 'utf8')) as {
    identity: { pid: number }
  }
  process.kill(record.identity.pid, 'SIGKILL')
}
