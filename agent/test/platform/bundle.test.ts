import { execFile, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { ENTRIES } from '../../scripts/bundle.js'
import { removeStale } from '../support/bundle-entries.ts'

const agent = fileURLToPath(new URL('../../', import.meta.url))
const bundled = (entry: string) => join(agent, 'bundle', `${entry}.js`)

/** Prints what Node loaded of its own, when the process exits. */
const REPORT = `data:text/javascript,process.on('exit', () => process.stdout.write(process.moduleLoadList.join()))`

/** Without arguments an entry loads everything, and exits because it has nothing to do. */
function loadedBy(path: string): Promise<string> {
  return new Promise(resolve => {
    const args = ['--import', REPORT, path]
    execFile(process.execPath, args, { maxBuffer: 1e7 }, (_, stdout) => resolve(stdout))
  })
}

test('no process loads what it does not use: undici in Node, which an import of node:http brings along', async () => {
  for (const loaded of await Promise.all(ENTRIES.map(entry => loadedBy(bundled(entry))))) {
    expect(loaded).toContain('NativeModule fs')
    expect(loaded).not.toContain('undici')
  }
})

test.each(['services/proxy/main', 'services/store/main'])(
  '%s loads what several processes, or HTTP/2, need when it is used',
  async entry => {
    const loaded = (await loadedBy(bundled(entry))).split(',')
    expect(loaded).toContain('NativeModule http')
    expect(loaded).not.toContain('NativeModule cluster')
    expect(loaded).not.toContain('NativeModule http2')
  },
)

test('a store whose relay has a thread has none of the code of the bus', async () => {
  const talksToNats = async (entry: string) => (await codeOf(bundled(entry))).includes('JS.API')
  expect(await talksToNats('services/dispatcher/main')).toBe(true)
  expect(await talksToNats('services/store/main')).toBe(false)
})

/** An entry with every chunk that it is linked with, as text. */
async function codeOf(path: string): Promise<string> {
  const code = await readFile(path, 'utf8')
  const linked = [...code.matchAll(/^import(?:[^"']*from)?\s*"(\.[^"]+)"/gm)].map(([, name]) => join(path, '..', name!))
  return [code, ...(await Promise.all(linked.map(codeOf)))].join('\n')
}

test('a service has none of the code that only the agent needs, nor has the agent before its parts boot', async () => {
  const pathOfApi = '/v1/deployments/:name/rollback'
  const isIn = await Promise.all(ENTRIES.map(async entry => (await codeOf(bundled(entry))).includes(pathOfApi)))
  // An agent loads the first one when the processes of its parts were started.
  expect(ENTRIES.filter((_, at) => isIn[at])).toEqual(['main/agent-process', 'main/command-line'])
})

test('dispatchers get of undici what they import', async () => {
  const folder = join(agent, 'src', 'services', 'dispatcher')
  const files = (await readdir(folder, { recursive: true })).filter(name => name.endsWith('.ts'))
  const sources = await Promise.all(files.map(name => readFile(join(folder, name), 'utf8')))
  const names = sources
    .flatMap(source => /^import \{([^}]*)\} from 'undici'/m.exec(source)?.[1]?.split(',') ?? [])
    .map(name => name.trim())
    .filter(name => !name.startsWith('type '))
  expect(names).toContain('Pool')
  const small = (await import(join(agent, 'scripts', 'small-undici.js'))) as object
  expect(Object.keys(small)).toEqual(expect.arrayContaining(names))
})

test('what a killed run of tests bundled goes when the next one begins, and nothing of one that is running', async () => {
  const out = await mkdtemp(join(tmpdir(), 'rfa-out-'))
  onTestFinished(() => rm(out, { recursive: true }))
  const ended = spawnSync(process.execPath, ['--version']).pid
  const names = [`entries-${ended}-abc`, `entries-${process.pid}-abc`, 'pictures', `${ended}.tgz`]
  for (const name of names) await mkdir(join(out, name, 'services'), { recursive: true })
  await removeStale(out)
  expect((await readdir(out)).toSorted()).toEqual(names.slice(1).toSorted())
})
