import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { InstalledNodes } from './installed-nodes.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-nodes-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** A program that says of itself what a Node would. */
async function install(path: string, version: string, tells = path): Promise<string> {
  const program = join(folder, path)
  await mkdir(dirname(program), { recursive: true })
  const told = JSON.stringify({ path: join(folder, tells), version })
  await writeFile(program, `#!/bin/sh\necho '${told}'\n`)
  await chmod(program, 0o755)
  return program
}

/** No version that a machine has: other managers' folders may be real. */
function nodes(environment: NodeJS.ProcessEnv = {}): InstalledNodes {
  return new InstalledNodes({
    own: join(folder, 'own/node'),
    environment: { HOME: folder, PATH: '/bin', ...environment },
  })
}

test('the platform’s own Node is the one, unless another version is asked for', async () => {
  await install('own/node', '990.1.0')
  await install('.nvm/versions/node/v990.2.0/bin/node', '990.2.0')
  const exact = join(folder, '.nvm/versions/node/v990.2.0/bin/node')
  expect(await nodes().pathOf()).toBe(join(folder, 'own/node'))
  expect(await nodes().pathOf('node@990')).toBe(join(folder, 'own/node'))
  expect(await nodes().pathOf('node@990.2')).toBe(exact)
  expect(await nodes().pathOf('node@990.2.0')).toBe(exact)
})

test.each([
  ['nvm', '.nvm/versions/node/v991.0.0/bin/node', {}],
  ['fnm', '.local/share/fnm/node-versions/v991.0.0/installation/bin/node', {}],
  ['volta', 'tools/volta/tools/image/node/991.0.0/bin/node', { VOLTA_HOME: 'tools/volta' }],
  ['asdf', '.asdf/installs/nodejs/991.0.0/bin/node', {}],
  ['mise', 'data/mise/installs/node/991/bin/node', { XDG_DATA_HOME: 'data' }],
  ['n', 'prefix/n/versions/node/991.0.0/bin/node', { N_PREFIX: 'prefix' }],
])('it is found where %s keeps it', async (_manager, path, variables) => {
  const program = await install(path, '991.0.0')
  const placed = Object.entries(variables).map(([name, value]) => [name, join(folder, value)] as const)
  expect(await nodes(Object.fromEntries(placed)).pathOf('node@991')).toBe(program)
})

test('the newest is taken, and what is on the path is asked what it stands for', async () => {
  await install('.nvm/versions/node/v992.9.0/bin/node', '992.9.0')
  const newest = await install('real/node', '992.10.0')
  await install('shims/node', '992.10.0', 'real/node')
  expect(await nodes({ PATH: join(folder, 'shims') }).pathOf('node@992')).toBe(newest)
})

test('one that is gone, or does not run, is none', async () => {
  const found = nodes()
  const first = await install('.nvm/versions/node/v993.1.0/bin/node', '993.1.0')
  await install('.nvm/versions/node/v993.2.0/bin/node', '993.2.0', 'no/such/file')
  await writeFile(await install('.asdf/installs/nodejs/993.3.0/bin/node', ''), 'broken')
  expect(await found.pathOf('node@993')).toBe(first)
  await rm(first)
  await expect(found.pathOf('node@993')).rejects.toMatchObject({ code: 'NODE_NOT_FOUND' })
})

test('a version that is not there is refused with those that are, in order', async () => {
  await install('own/node', '990.1.0')
  await install('.nvm/versions/node/v994.10.0/bin/node', '994.10.0')
  await install('.asdf/installs/nodejs/994.9.0/bin/node', '994.9.0')
  await install('.nvm/versions/node/v99.0.0/bin/node', '99.0.0')
  await expect(nodes().pathOf('node@9')).rejects.toMatchObject({
    code: 'NODE_NOT_FOUND',
    message: 'Node 9 was not found on this machine',
    hint: expect.stringMatching(/: (?:.*, )?99\.0\.0, 990\.1\.0, 994\.9\.0, 994\.10\.0$/),
  })
})
