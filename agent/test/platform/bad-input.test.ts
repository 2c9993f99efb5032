/** User errors and their messages: always exit 1, all problems at once, nothing half done. */
import { once } from 'node:events'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { IS_WHOLE, sampleOf } from '../support/whole-suite.ts'

const GOOD = `export const work = () => new Response('good')`

/** One platform for each engine, for all tests of a file. */
const platforms = new Map<string, TestPlatform>()
afterAll(async () => {
  for (const platform of platforms.values()) await platform.remove()
})

async function startedOn(engine: 'process' | 'docker'): Promise<TestPlatform> {
  const platform = platforms.get(engine) ?? (await TestPlatform.make())
  if (platforms.has(engine)) return platform
  platforms.set(engine, platform)
  await platform.start(engine, ['--start-timeout-ms', '4000'])
  return platform
}

describe('bad input', () => {
  let platform: TestPlatform
  beforeAll(async () => {
    platform = await startedOn('process')
  })

  const failing = async (args: string[]) => {
    const result = await platform.cli(args)
    expect(result.code).toBe(1)
    expect(result.stderr).not.toMatch(/^\s+at /m)
    return result.stderr
  }
  const fileWith = async (text: string) => {
    const folder = join(platform.home, 'bad')
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'deploy.json'), text)
    return join(folder, 'deploy.json')
  }

  test('a missing deploy.json is named, with the way to create one', async () => {
    expect(await failing(['deploy', 'nowhere'])).toMatch(/nowhere:1:1 .*file not found[^]*init/)
  })

  test('invalid JSON is located', async () => {
    expect(await failing(['deploy', await fileWith('{\n  "deploy": [ what ]\n}')])).toMatch(/deploy\.json:2:15/)
  })

  test('all problems of file and handlers are reported at once and nothing is deployed', async () => {
    const good = await writeProject(join(platform.home, 'mixed'), {
      good: { code: `export const good = () => new Response('good')` },
      classy: { code: 'export class classy {}' },
      lost: { code: 'const lost = () => new Response()' },
    })
    const stderr = await failing(['deploy', good])
    expect(stderr).toMatch(/classy\/main\.ts:1:\d+ .*class/)
    expect(stderr).toMatch(/lost\/main\.ts:1:\d+ .*not exported/i)
    expect(JSON.parse(await platform.ok(['details', '--json']))).toMatchObject({ deployments: [] })
    expect(await failing(['check', good])).toMatch(/2 problems/)
    expect(
      await failing(['deploy', await fileWith('{"deploy":[{"name":"a","packageDir":".","filepath":"x.ts"}]}')]),
    ).toMatch(/unknown field "filepath", did you mean "filePath"/)
  })

  test('a handler that does not fit its kind is refused before anything is built', async () => {
    const file = await writeProject(join(platform.home, 'kinds'), {
      later: {
        code: `export const later = (request: Request) => new Response(request.url)`,
        options: { on: [{ table: 't', events: ['new-doc'] }] },
      },
    })
    expect(await failing(['deploy', file])).toMatch(/DocumentEvent/)
  })

  test('a syntax error and a missing package are located in the source', async () => {
    const broken = await writeProject(join(platform.home, 'broken'), { x: { code: 'export const x = (' } })
    expect(await failing(['deploy', broken])).toMatch(/x\/main\.ts:1:\d+/)
    const lacking = await writeProject(join(platform.home, 'lacking'), {
      x: { code: `import leftPad from 'left-pad-that-is-nowhere'\nexport const x = () => new Response(leftPad('x'))` },
    })
    expect(await failing(['deploy', lacking])).toMatch(/x\/main\.ts:1:\d+[^]*left-pad-that-is-nowhere/)
  })

  test('unknown commands, flags, functions and values are named', async () => {
    expect(await failing(['deploi'])).toMatch(/Did you mean deploy/)
    expect(await failing(['deploy', '--onyl', 'x'])).toMatch(/onyl/)
    expect(await failing(['scale', 'nobody', '2'])).toMatch(/no deployment is named "nobody"/)
    expect(await failing(['invoke', 'nobody'])).toMatch(/no deployment is named "nobody"/)
    expect(await failing(['logs', 'nobody'])).toMatch(/no deployment is named/)
    expect(
      await failing(['deploy', '--only', 'x', await writeProject(join(platform.home, 'only'), { xy: { code: GOOD } })]),
    ).toMatch(/no function "x"/)
  })
})

for (const engine of sampleOf(['process', 'docker'])) {
  describe(`a version that cannot start, on the ${engine} engine`, () => {
    let platform: TestPlatform
    let url: string
    let folder: string
    beforeAll(async () => {
      platform = await startedOn(engine)
      url = `${(await platform.view()).proxyUrl}/functions/work`
      folder = join(platform.home, 'project')
      await platform.ok(['deploy', await writeProject(folder, { work: { code: GOOD } })])
    })

    const cases: Record<string, [code: string, message: RegExp]> = {
      'throws while it loads': [
        `throw new Error('no database'); ${GOOD}`,
        /did not start: Error: no database.*\n.*project\/work\/main\.ts:1:\d+/,
      ],
      'exits at once': [`console.log('leaving'); process.exit(4); ${GOOD}`, /exited with code 4[^]*leaving/],
      'never listens': [
        `console.log('waiting'); await new Promise(() => setInterval(() => {}, 1000)); ${GOOD}`,
        /was not ready within[^]*waiting/,
      ],
      // Not ready either, for another reason.
      ...(IS_WHOLE && {
        'loops while it loads': [
          `console.log('looping'); while (Date.now() > 0); ${GOOD}`,
          /was not ready within[^]*looping/,
        ],
      }),
    }
    for (const [what, [code, message]] of Object.entries(cases)) {
      test(`one that ${what} fails with its last lines, and the old one serves on`, async () => {
        const before = await platform.details('work')
        const file = await writeProject(folder, { work: { code: code.replace('; export', ';\nexport') } })
        const { code: exit, stderr } = await platform.cli(['deploy', file])
        expect(exit).toBe(1)
        expect(stderr).toMatch(message)
        expect(stderr).not.toMatch(/node_modules|internal\/process/)
        expect(await (await fetch(url)).text()).toBe('good')
        expect(await platform.details('work')).toMatchObject({ version: before.version, instances: before.instances })
        expect(await readdir(join(platform.home, 'deployments/work'))).toEqual(['1'])
      })
    }

    test('a deploy interrupted with Ctrl-C leaves nothing of the new version', async () => {
      const file = await writeProject(folder, {
        work: { code: `await new Promise(() => setInterval(() => {}, 1000))\n${GOOD}` },
      })
      const child = platform.spawnCli(['deploy', file])
      const exited = once(child, 'exit')
      const client = await platform.client()
      await until(async () => {
        const { resources } = await client.call('resources', {})
        return resources.filter(({ type }) => type === 'image').length > 1 || undefined
      })
      child.kill('SIGINT')
      await exited
      expect(child.exitCode).toBe(130)
      await until(async () => {
        const { resources } = await client.call('resources', {})
        return resources.length === 2 || undefined
      })
      expect(await (await fetch(url)).text()).toBe('good')
    })
  })
}

describe('a start that fails', () => {
  const made: TestPlatform[] = []
  const servers: Server[] = []
  afterAll(async () => {
    servers.forEach(server => server.close())
    for (const platform of made) await platform.remove()
  })

  const make = async (environment?: NodeJS.ProcessEnv) => {
    const platform = await TestPlatform.make(environment)
    made.push(platform)
    return platform
  }
  const takenPort = async () => {
    const server = createServer()
    servers.push(server)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as { port: number }).port
  }

  test('a taken port is reported with its owner and the option that helps, and nothing is left behind', async () => {
    const platform = await make()
    const flags = ['--port', '--agent-port', '--nats-port', '--store-port'] as const
    for (const flag of sampleOf(flags)) {
      const port = await takenPort()
      const others = flags.filter(other => other !== flag).flatMap(other => [other, '0'])
      const { code, stderr } = await platform.cli([
        'startFaas',
        '--project',
        platform.project,
        '--engine',
        'process',
        ...others,
        flag,
        String(port),
      ])
      expect(code).toBe(1)
      expect(stderr).toContain(`port ${port}`)
      expect(stderr).toContain(`pid ${process.pid}`)
      expect(stderr).toContain(flag)
      expect(await platform.ok(['stopFaas'])).toBe('nothing is running\n')
    }
  })

  test('unreachable Docker is reported with socket, error and fix; auto falls back and says so', async () => {
    const platform = await make({ DOCKER_HOST: 'unix:///nowhere/docker.sock' })
    const { code, stderr } = await platform.cli([
      'startFaas',
      '--engine',
      'docker',
      '--port',
      '0',
      '--agent-port',
      '0',
      '--nats-port',
      '0',
      '--store-port',
      '0',
    ])
    expect(code).toBe(1)
    expect(stderr).toMatch(/unix:\/\/\/nowhere\/docker\.sock[^]*ENOENT[^]*--engine process/)
    const output = await platform.ok([
      'startFaas',
      '--engine',
      'auto',
      '--port',
      '0',
      '--agent-port',
      '0',
      '--nats-port',
      '0',
      '--store-port',
      '0',
    ])
    expect(output).toMatch(/processes \(.*nowhere.*no isolation/)
  })

  test('an invalid option names the flag and the variable', async () => {
    const platform = await make()
    const { code, stderr } = await platform.cli(['startFaas', '--project', 'No Good'])
    expect(code).toBe(1)
    expect(stderr).toMatch(/--project[^]*RYO_FAAS_PROJECT/)
  })

  test('a missing nats-server is reported with the command that installs it', async () => {
    const platform = await make()
    const { code, stderr } = await platform.cli([
      'startFaas',
      '--engine',
      'process',
      '--nats-server',
      '/nowhere/nats',
      '--port',
      '0',
      '--agent-port',
      '0',
    ])
    expect(code).toBe(1)
    expect(stderr).toMatch(/\/nowhere\/nats[^]*apt-get install -y nats-server/)
  })
})
