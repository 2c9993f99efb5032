import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DeployEntry } from '../contract/index.ts'
import type { DeploymentRecord } from './state/index.ts'
import { mustBeFree, routesMustBeFree } from './name-owner.ts'

let folder: string
beforeEach(async () => void (folder = await realpath(await mkdtemp(join(tmpdir(), 'rfa-owner-')))))
afterEach(() => rm(folder, { recursive: true }))

async function deployFile(path: string): Promise<string> {
  const file = join(folder, path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, '{}')
  return file
}

const entryOf = (file: string, name = 'hello'): DeployEntry =>
  DeployEntry.parse({ name, packageDir: dirname(file), filePath: join(dirname(file), `${name}.ts`) })

/** Whether a function deployed from one file may be deployed from another. */
function redeploy(owner: string | undefined, file: string, entry = entryOf(file)): Promise<void> {
  const config = entryOf(owner ?? file)
  const versions = [{ version: 1, config, ...(owner !== undefined && { deployFile: owner }) }]
  const record = { active: 1, versions } as unknown as DeploymentRecord
  return mustBeFree([entry], {
    source: { deployFile: file },
    recordOf: name => (name === 'hello' ? record : undefined),
  })
}

test('a name that another project has deployed is refused, with that project and how to take it over', async () => {
  const [shop, empty] = [await deployFile('shop/deploy.json'), await deployFile('empty/deploy.json')]
  await expect(redeploy(shop, empty)).rejects.toMatchObject({
    code: 'NAME_TAKEN',
    message: `"hello" is already deployed from ${shop}; nothing was deployed`,
    hint: expect.stringContaining('--replace') as string,
  })
})

test('a project redeploys its own, from any of its files, whatever its folder is called', async () => {
  const shop = await deployFile('shop/deploy.json')
  await redeploy(shop, shop)
  await redeploy(shop, await deployFile('shop/deploy.separate.json'))
  await symlink(join(folder, 'shop'), join(folder, 'link'))
  await redeploy(shop, join(folder, 'link', 'deploy.json'))
})

test('one function in the files of a package and of the repository around it is one function', async () => {
  const [inner, outer] = [await deployFile('repository/shop/deploy.json'), await deployFile('repository/deploy.json')]
  await redeploy(inner, outer, entryOf(inner))
})

test('a name is free if it is unused, if its project is gone, or if its project is unknown', async () => {
  const [shop, empty] = [await deployFile('shop/deploy.json'), await deployFile('empty/deploy.json')]
  await redeploy(shop, empty, entryOf(empty, 'other'))
  await redeploy(undefined, empty)
  await rm(shop)
  await redeploy(shop, empty)
})

test('a route that a function outside this deploy serves is refused with both names', () => {
  const entry = (name: string, fields: object) =>
    DeployEntry.parse({ name, packageDir: '/p', filePath: '/p/a.ts', ...fields })
  const record = (config: DeployEntry) => ({ active: 1, route: config.name, versions: [{ version: 1, config }] })
  const served = entry('a', { route: '/orders/:id', methods: ['GET'] })
  const deployments = { a: record(served) } as unknown as Record<string, DeploymentRecord>
  expect(() => routesMustBeFree([entry('b', { route: '/orders/:x' })], { deployments })).toThrow(
    expect.objectContaining({ code: 'ROUTE_TAKEN', message: '/orders/:x of "b" is already served by "a"' }),
  )
  routesMustBeFree([entry('b', { route: '/orders/:x', methods: ['PUT'] })], { deployments })
  // The other gives it up in the same deploy.
  routesMustBeFree([entry('b', { route: '/orders/:x' }), entry('A', { route: '/old' })], { deployments })
})

test('a project that was built elsewhere is known by its name, to itself and to a deploy.json of this machine', async () => {
  const file = await deployFile('shop/deploy.json')
  const from = (active: object, source: Parameters<typeof mustBeFree>[1]['source']) => {
    const versions = [{ version: 1, config: entryOf('/elsewhere/x/deploy.json'), ...active }]
    const record = { active: 1, versions } as unknown as DeploymentRecord
    return mustBeFree([entryOf(file)], { source, recordOf: () => record })
  }
  await from({ project: 'shop' }, { project: 'shop' })
  await from({ project: 'shop' }, { deployFile: file })
  await from({ deployFile: file }, { project: 'shop' })
  await from({ deployFile: join(folder, 'gone/deploy.json') }, { project: 'shop' })
  for (const refused of [
    from({ project: 'other' }, { project: 'shop' }),
    from({ project: 'other' }, { deployFile: file }),
    from({ deployFile: file }, { project: 'other' }),
  ]) {
    await expect(refused).rejects.toMatchObject({ code: 'NAME_TAKEN' })
  }
})
