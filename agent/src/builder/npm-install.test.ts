import { chmodSync, readdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { createGzip } from 'node:zlib'
import { pack } from 'tar-stream'
import { afterEach, describe, expect, it } from 'vitest'
import { Builder } from './builder.ts'
import { NpmInstaller } from './npm-install.ts'
import { requestFor, runFunction, temporaryFolder, type TemporaryFolder } from './testing/bundled-function.ts'

const runtimeDir = fileURLToPath(new URL('../../../runtime/src', import.meta.url))
const folders: TemporaryFolder[] = []
const installers: NpmInstaller[] = []
afterEach(() => {
  for (const installer of installers.splice(0)) installer.close()
  for (const folder of folders.splice(0)) folder.remove()
})

function folder(files: Record<string, string> = {}): TemporaryFolder {
  const made = temporaryFolder(files)
  folders.push(made)
  return made
}

function installer(cacheDir: string, npmPath = 'npm'): NpmInstaller {
  const made = new NpmInstaller({ cacheDir, npmPath })
  installers.push(made)
  return made
}

/** A package that needs another one, which lies beside it as a tarball, so that no registry is asked. */
async function packageWithTarball(code = `module.exports = 'installed'`): Promise<TemporaryFolder> {
  const made = folder({
    'hello.ts': `import dep from 'dep'; export const hello = () => new Response(dep)`,
    'package.json': `{ "name": "app", "dependencies": { "dep": "file:vendor/dep.tgz" } }`,
    'package-lock.json': JSON.stringify({
      name: 'app',
      lockfileVersion: 3,
      packages: {
        '': { name: 'app', dependencies: { dep: 'file:vendor/dep.tgz' } },
        'node_modules/dep': { version: '1.0.0', resolved: 'file:vendor/dep.tgz' },
      },
    }),
    'vendor/readme.txt': '',
  })
  const scripts = { postinstall: `node -e "require('fs').writeFileSync('ran.txt', '')"` }
  const tar = pack()
  tar.entry({ name: 'package/package.json' }, JSON.stringify({ name: 'dep', version: '1.0.0', scripts }))
  tar.entry({ name: 'package/index.js' }, code)
  tar.finalize()
  await writeFile(made.path('vendor/dep.tgz'), await buffer(tar.pipe(createGzip())))
  return made
}

describe('packages that are not installed', () => {
  it('are installed aside, without running scripts, and bundled', async () => {
    const made = await packageWithTarball()
    const cache = folder()
    const before = readdirSync(made.dir)
    const builder = new Builder({ runtimeDir, cacheDir: cache.dir })
    const bundled = await builder.bundle(requestFor(made.dir), new AbortController().signal)
    const { dir, entry } = await bundled.write(folder().path('1'))
    {
      await using running = await runFunction(`${dir}/${entry}`)
      expect(await running.get()).toBe('installed')
    }
    expect(readdirSync(made.dir)).toEqual(before)
    made.write({ 'node_modules/dep/package.json': '{}', 'node_modules/dep/index.js': `module.exports = 'installed'` })
    expect((await builder.bundle(requestFor(made.dir), new AbortController().signal)).hash).toBe(bundled.hash)
    await builder.close()
    const [installed] = readdirSync(cache.dir)
    expect(readdirSync(cache.path(`${installed}/node_modules/dep`)).sort()).toEqual(['index.js', 'package.json'])
  })

  it('are installed once for a lock file, by one of several that ask at once', async () => {
    const made = await packageWithTarball()
    const cache = folder()
    const one = installer(cache.dir)
    const found = await Promise.all([one.install(made.dir), one.install(made.dir)])
    expect(found[0]).toBe(found[1])
    const later = installer(cache.dir, '/no/such/program')
    expect(await later.install(made.dir)).toBe(found[0])
    expect(readdirSync(cache.dir)).toHaveLength(1)
  })

  it('are none where node_modules has them, where nothing is locked, and where nothing is needed', async () => {
    const one = installer(folder().dir, '/no/such/program')
    const made = await packageWithTarball()
    made.write({ 'node_modules/dep/package.json': '{}' })
    expect(await one.install(made.dir)).toBeUndefined()
    const unlocked = folder({ 'package.json': `{ "dependencies": { "dep": "1" } }` })
    expect(await one.install(unlocked.dir)).toBeUndefined()
    expect(await one.install(folder().dir)).toBeUndefined()
    expect(await one.install(folder({ 'package.json': '{ broken', 'package-lock.json': '' }).dir)).toBeUndefined()
  })

  it('fail the build with the last lines of npm and the command to run, and leave nothing', async () => {
    const made = await packageWithTarball()
    const cache = folder({ 'npm.sh': '#!/bin/sh\necho one line >&2\nexit 3\n' })
    chmodSync(cache.path('npm.sh'), 0o755)
    await expect(installer(cache.path('cache'), cache.path('npm.sh')).install(made.dir)).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      message: expect.stringContaining('npm ended with 3'),
      hint: `Run it yourself: cd ${made.dir} && npm ci`,
      logs: ['one line'],
    })
    expect(readdirSync(cache.path('cache'))).toEqual([])
    await expect(installer(cache.path('cache'), '/no/such/program').install(made.dir)).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      message: expect.stringContaining('npm did not start'),
    })
  })

  it('are not looked for outside the package', async () => {
    const made = folder({
      'package.json': `{ "dependencies": { "dep": "file:../dep" } }`,
      'package-lock.json': JSON.stringify({
        packages: { '../dep': {}, 'node_modules/dep': { resolved: '../dep', link: true } },
      }),
    })
    await expect(installer(folder().dir).install(made.dir)).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      hint: `Run: cd ${made.dir} && npm ci`,
    })
  })
})
