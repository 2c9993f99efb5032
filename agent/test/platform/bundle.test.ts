import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const agent = fileURLToPath(new URL('../../', import.meta.url))
/** `main/agent` loads the last one when the processes of its parts were started. */
const ENTRIES = [
  'main/agent',
  'main/keeper',
  'services/proxy/main',
  'services/dispatcher/main',
  'services/store/main',
  'main/agent-process',
].map(entry => join(agent, 'bundle', `${entry}.js`))

/** Prints what Node loaded of its own, when the process exits. */
const REPORT = `data:text/javascript,process.on('exit', () => process.stdout.write(process.moduleLoadList.join()))`

/** Without arguments an entry loads everything, and exits because it has no options. */
function loadedBy(path: string): Promise<string> {
  return new Promise(resolve => {
    const args = ['--import', REPORT, path]
    execFile(process.execPath, args, { maxBuffer: 1e7 }, (_, stdout) => resolve(stdout))
  })
}

test('no process loads what it does not use: undici in Node, which an import of node:http brings along', async () => {
  for (const loaded of await Promise.all(ENTRIES.map(loadedBy))) {
    expect(loaded).toContain('NativeModule fs')
    expect(loaded).not.toContain('undici')
  }
})

/** An entry with every chunk that it is linked with, as text. */
async function codeOf(path: string): Promise<string> {
  const code = await readFile(path, 'utf8')
  const linked = [...code.matchAll(/^import(?:[^"']*from)?\s*"(\.[^"]+)"/gm)].map(([, name]) => join(path, '..', name!))
  return [code, ...(await Promise.all(linked.map(codeOf)))].join('\n')
}

test('a service has none of the code that only the agent needs, nor has the agent before its parts boot', async () => {
  const pathOfApi = '/v1/deployments/:name/rollback'
  const isIn = async (path: string) => (await codeOf(path)).includes(pathOfApi)
  expect(await Promise.all(ENTRIES.map(isIn))).toEqual([false, false, false, false, false, true])
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
