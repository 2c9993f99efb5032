/** The main job, as a user does it: start, deploy the examples, call them, stop; on every engine. */
import Docker from 'dockerode'
import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PlatformView, ResourceView } from '../../src/contract/index.ts'
import { identifyProcess } from '../../src/host/index.ts'
import { EXAMPLES, TestPlatform } from '../support/platform.ts'
import { sampleOf } from '../support/whole-suite.ts'

for (const engine of sampleOf(['docker', 'process'])) {
  describe(`the main job on the ${engine} engine`, () => {
    let platform: TestPlatform
    let view: PlatformView

    beforeAll(async () => {
      platform = await TestPlatform.make()
      view = await platform.start(engine)
    })
    afterAll(() => platform.remove())

    const url = (rest: string) => `${view.proxyUrl}/functions/${rest}`

    test('startFaas shows every part and its address, and a second one what is already running', async () => {
      const capabilities = ['images', 'logs', 'debug', 'freeze']
      expect(view).toMatchObject({ engine, capabilities, phase: { kind: 'ready' } })
      expect(view.isolation?.warning === undefined).toBe(engine === 'docker')
      expect(Object.fromEntries(view.parts.map(({ name, state }) => [name, state]))).toEqual({
        agent: 'running',
        nats: 'running',
        proxy: 'running',
        dispatcher: 'running',
        keeper: 'running',
        store: 'running',
      })
      expect(await platform.ok(['startFaas'])).toMatch(/already running/)
      if (engine === 'process') expect(view.engineNote).toMatch(/no isolation/)
    })

    test('deploying the examples prints a line and a URL for each', async () => {
      const output = await platform.ok(['deploy', EXAMPLES])
      for (const name of ['HelloWorld', 'Method1', 'Method2', 'MethodAsync']) {
        expect(output).toMatch(new RegExp(`✔ ${name} v1 created in`))
        expect(output).toContain(`${name}  ${url(name.toLowerCase())}`)
      }
    })

    test('the functions respond, one of them by calling another', async () => {
      expect(await (await fetch(url('helloworld'))).text()).toBe('Hello, World!\n')
      expect(await (await fetch(url('HelloWorld'))).text()).toBe('Hello, World!\n')
      const posted = await fetch(url('method2/a/path?x=1'), { method: 'POST', body: 'text' })
      expect(await posted.json()).toEqual({ method: 'POST', path: '/a/path', query: { x: '1' }, body: 'text' })
      for (const data of ['/functions/method2/deep', url('method2/deep')]) {
        // Inside a container the proxy has another name: the host's loopback is not reachable.
        const reachable = engine === 'docker' ? data.replace('127.0.0.1', `${platform.project}-proxy`) : data
        const answer = await platform.ok(['invoke', 'Method1', '--data', JSON.stringify({ data: reachable })])
        expect(JSON.parse(answer)).toMatchObject({ status: 200, body: expect.stringContaining('"/deep"') as string })
      }
    })

    test('deploying again changes nothing', async () => {
      const before = await platform.details('HelloWorld')
      const outcome = JSON.parse(await platform.ok(['deploy', EXAMPLES, '--json'])) as {
        deployed: { outcome: string }[]
      }
      expect(outcome.deployed.map(event => event.outcome)).toEqual(Array(4).fill('unchanged'))
      expect((await platform.details('HelloWorld')).instances).toEqual(before.instances)
    })

    test('details shows kind, version, state, calls; list shows what belongs to the project', async () => {
      const all = await platform.ok(['details'])
      expect(all).toMatch(/HelloWorld\s+http\s+v1\s+1\/1\s+running\s+[1-9]/)
      expect(all).toMatch(/store\s+running\s+127\.0\.0\.1:\d+/)
      expect(await platform.details('helloworld')).toMatchObject({
        name: 'HelloWorld',
        state: 'running',
        version: 1,
        errors: 0,
      })
      const resources = JSON.parse(await platform.ok(['list', '--json'])) as ResourceView[]
      expect(resources.filter(({ type }) => type === 'instance')).toHaveLength(4)
      expect(resources.filter(({ type, state }) => type === 'image' && state === 'kept')).toHaveLength(4)
    })

    if (engine === 'docker') {
      test('containers carry the name of their function, and call each other through the proxy', async () => {
        const docker = new Docker()
        const names = (await docker.listContainers({ filters: { label: [`ryo-faas=${platform.project}`] } })).flatMap(
          ({ Names }) => Names,
        )
        expect(names.sort()).toEqual(
          ['helloworld', 'method1', 'method2', 'methodasync'].map(name => `/${platform.project}-${name}`),
        )
        const { port } = new URL(view.proxyUrl)
        const data = `http://${platform.project}-proxy:${port}/functions/helloworld`
        const answer = await platform.ok(['invoke', 'method1', '--data', JSON.stringify({ data })])
        expect(JSON.parse(answer)).toEqual({ url: data, status: 200, body: 'Hello, World!\n' })
      })
    }

    test('stop removes a deployment, and its name is then unknown', async () => {
      await platform.ok(['stop', 'Method2'])
      const gone = await fetch(url('method2'))
      expect([gone.status, gone.headers.get('x-ryo-faas-error')]).toEqual([404, 'FUNCTION_NOT_FOUND'])
      expect(await platform.cli(['details', 'Method3'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('Did you mean') as string,
      })
    })

    test('stopFaas lists what it stopped and keeps the deployments; startFaas brings them back', async () => {
      const stopped = await platform.ok(['stopFaas'])
      expect(stopped).toMatch(/^stopped: .*(proxy, store|store, proxy), nats, agent/m)
      await expect(fetch(url('helloworld'))).rejects.toThrow()
      expect(await platform.cli(['details'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('startFaas') as string,
      })
      expect(await platform.ok(['stopFaas'])).toBe('nothing is running\n')
      view = await platform.start(engine)
      expect(await (await fetch(url('helloworld'))).text()).toBe('Hello, World!\n')
    })

    test('stopFaas --prune leaves no container, network, image, process or file of ours, even later', async () => {
      const pids = (await platform.view()).parts.flatMap(({ pid }) => (pid === undefined ? [] : [pid]))
      await platform.ok(['stopFaas'])
      await platform.ok(['stopFaas', '--prune', '--yes'])
      for (const pid of pids) expect(await identifyProcess(pid)).toBeUndefined()
      const filters = { label: [`ryo-faas=${platform.project}`] }
      const docker = new Docker()
      expect(await docker.listContainers({ all: true, filters })).toEqual([])
      expect(await docker.listImages({ filters })).toEqual([])
      expect(await docker.listNetworks({ filters })).toEqual([])
      expect(await readdir(platform.home)).toEqual([])
    })
  })
}
