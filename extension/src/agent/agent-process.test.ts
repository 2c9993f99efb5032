import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AgentProcess, type AgentSettings } from './agent-process.ts'

let folder: string
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'ryo-faas-process-'))))
afterAll(() => rm(folder, { recursive: true }))

const never = new AbortController().signal

/** A command line of which we say what it does. */
async function processWith(code: string, settings: Partial<AgentSettings> = {}): Promise<AgentProcess> {
  const cliPath = join(folder, `${Math.random().toString(36).slice(2)}.mjs`)
  await writeFile(cliPath, code)
  return new AgentProcess({
    extensionPath: folder,
    environment: { PATH: '' },
    execPath: process.execPath,
    isElectron: false,
    home: '/the/home',
    settings: () => ({ cliPath, nodePath: undefined, startOptions: {}, ...settings }),
    log: () => undefined,
  })
}

test('the options of the settings become flags, and the home is handed on', async () => {
  const code = 'console.log(JSON.stringify([process.argv.slice(2), process.env.RYO_FAAS_HOME]))'
  const agent = await processWith(code)
  expect(await agent.run(['startFaas', '--agent-port', '0'], never)).toEqual([
    ['startFaas', '--agent-port', '0', '--json'],
    '/the/home',
  ])
})

test('an error of the command line is the error that it was', async () => {
  const body = { error: { code: 'DOCKER_UNREACHABLE', message: 'no Docker', hint: 'start it' } }
  const agent = await processWith(`console.log(${JSON.stringify(JSON.stringify(body))}); process.exitCode = 1`)
  await expect(agent.start(never)).rejects.toMatchObject({ code: 'DOCKER_UNREACHABLE', hint: 'start it' })
})

test('one that breaks down is told with its last words', async () => {
  const agent = await processWith("console.error('out of luck'); process.exit(70)")
  await expect(agent.stop({ prune: false }, never)).rejects.toThrow('exited with 70: out of luck')
})

test('cancelling interrupts it', async () => {
  const agent = await processWith('setInterval(() => {}, 1000)')
  await expect(agent.start(AbortSignal.timeout(200))).rejects.toMatchObject({ code: 'CANCELLED' })
})

test('a Node or a command line that is not there is a matter of the settings', async () => {
  await expect((await processWith('', { nodePath: '/nowhere/node' })).start(never)).rejects.toMatchObject({
    hint: expect.stringContaining('ryo-faas.nodePath') as string,
  })
  await expect((await processWith('', { cliPath: '/nowhere/ryo-faas.js' })).start(never)).rejects.toMatchObject({
    code: 'INVALID_OPTION',
  })
})

test('whoever wants to know is told of its steps, and the answer is as always', async () => {
  const agent = await processWith(`
    if (process.env.RYO_FAAS_STEPS) process.stderr.write('looking at host\\nstarting the platform\\n')
    console.log('{"name":"shop"}')`)
  const steps: string[] = []
  expect(await agent.run(['server', 'add', 'host'], never, step => steps.push(step))).toEqual({ name: 'shop' })
  expect(steps.at(-1)).toBe('starting the platform')
  expect(await agent.run(['server', 'list'], never)).toEqual({ name: 'shop' })
})

test('a deploy by the command line tells what became of each function, failures too', async () => {
  const report = {
    deployed: [],
    failed: [{ type: 'failed', name: 'a', error: { code: 'START_FAILED', message: 'm' } }],
  }
  const agent = await processWith(`
    if (process.argv.slice(2).join(' ') !== 'deploy /w/deploy.json --json') process.exit(64)
    console.log(${JSON.stringify(JSON.stringify(report))}); process.exitCode = 1`)
  expect(await agent.deploy(['/w/deploy.json'], never)).toEqual(report)
  const refused = await processWith(`
    console.log('{"error":{"code":"NOT_LEADING","message":"nobody leads"}}'); process.exitCode = 1`)
  await expect(refused.deploy([], never)).rejects.toMatchObject({ code: 'NOT_LEADING' })
  await expect((await processWith("console.log('{}')")).deploy([], never)).rejects.toMatchObject({ code: 'INTERNAL' })
})
