import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { homePaths } from 'ryo-faas/client'
import { platformView } from '../testing/views-of-platform.ts'
import { AgentProcess } from './agent-process.ts'
import { ShippedAgent } from './shipped-agent.ts'

/** A command line that says where it was run from, with a package that it needs. */
const CLI = `import { name } from 'needed'
const [command] = process.argv.slice(2)
const where = import.meta.url + ' with ' + name
const platform = { ...${JSON.stringify(platformView())}, engineNote: where }
console.log(JSON.stringify(command === 'startFaas' ? platform : { stopped: [where] }))
`

let folder: string
let home: string
const never = new AbortController().signal

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'ryo-faas-shipped-')))
  home = join(folder, 'home')
})
afterEach(() => rm(folder, { recursive: true }))

async function installExtension(version: string, build = `build-of-${version}`): Promise<string> {
  const extension = join(folder, `ryo-faas-vscode-${version}`)
  const files = {
    'dist/agent/package.json': JSON.stringify({ version, build, type: 'module' }),
    'dist/agent/bundle/main/cli.js': CLI,
    'dist/node_modules/needed/package.json': JSON.stringify({ name: 'needed', type: 'module', exports: './index.js' }),
    'dist/node_modules/needed/index.js': "export const name = 'needed'\n",
  }
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(extension, path)), { recursive: true })
    await writeFile(join(extension, path), text)
  }
  return extension
}

function processOf(extensionPath: string): AgentProcess {
  return new AgentProcess({
    extensionPath,
    environment: { PATH: '' },
    execPath: process.execPath,
    isElectron: false,
    home,
    settings: () => ({ cliPath: undefined, nodePath: undefined, startOptions: {} }),
    log: () => undefined,
  })
}

const agents = async () => (await readdir(join(home, 'agents'))).sort()

test('the platform is started from its home, where no update of the extension deletes it', async () => {
  const { engineNote } = await processOf(await installExtension('0.1.0')).start(never)
  expect(engineNote).toBe(`file://${home}/agents/build-of-0.1.0/agent/bundle/main/cli.js with needed`)
})

test('what only asks or stops leaves no copy', async () => {
  const [where] = await processOf(await installExtension('0.1.0')).stop({ prune: false }, never)
  expect(where).toContain('ryo-faas-vscode-0.1.0/dist/agent/bundle')
  expect(existsSync(home)).toBe(false)
})

test('while a platform runs, the copy that it runs from stays beside that of a newer extension', async () => {
  await new ShippedAgent(await installExtension('0.1.0')).install(home)
  const { options } = homePaths(home)
  await cp(join(home, 'agents', 'build-of-0.1.0', 'agent', 'package.json'), options)
  const newer = new ShippedAgent(await installExtension('0.1.1'))
  await newer.install(home)
  expect(await agents()).toEqual(['build-of-0.1.0', 'build-of-0.1.1'])
  await rm(options)
  await newer.install(home)
  expect(await agents()).toEqual(['build-of-0.1.1'])
})

test('two windows that start at once make one whole copy', async () => {
  const extension = await installExtension('0.1.0')
  const clis = await Promise.all([1, 2, 3].map(() => new ShippedAgent(extension).install(home)))
  expect(new Set(clis)).toEqual(new Set([join(home, 'agents', 'build-of-0.1.0', 'agent', 'bundle', 'main', 'cli.js')]))
  expect(await agents()).toEqual(['build-of-0.1.0'])
})

test('what another window is copying is left to it, and what a window left behind is removed', async () => {
  const { pid: ended } = spawnSync(process.execPath, ['--version'])
  const names = [`unfinished-${process.pid}-a`, `unfinished-${ended}-b`]
  for (const name of names) await mkdir(join(home, 'agents', name), { recursive: true })
  await new ShippedAgent(await installExtension('0.1.0')).install(home)
  expect(await agents()).toEqual(['build-of-0.1.0', names[0]])
})

test('a copy that breaks off is not taken for the agent', async () => {
  const extension = await installExtension('0.1.0')
  await rm(join(extension, 'dist', 'node_modules'), { recursive: true })
  const shipped = new ShippedAgent(extension)
  await expect(shipped.install(home)).rejects.toMatchObject({ code: 'HOME_UNUSABLE' })
  expect(await agents()).toEqual([])
})

test('with the data of a platform its copies go', async () => {
  const extension = await installExtension('0.1.0')
  await processOf(extension).start(never)
  await processOf(extension).stop({ prune: true }, never)
  expect(existsSync(join(home, 'agents'))).toBe(false)
})
