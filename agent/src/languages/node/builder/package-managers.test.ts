import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { createGzip } from 'node:zlib'
import { pack } from 'tar-stream'
import { describe, expect, it } from 'vitest'
import { Builder } from './builder.ts'
import { installHint } from './locked-project.ts'
import { PackageInstaller } from './package-install.ts'
import { manifestFor } from './package-managers.ts'
import { requestFor, RUNTIME_DIR, runFunction } from './testing/bundled-function.ts'
import { useFolders } from './testing/use-builder.ts'

const folder = useFolders()

const json = (value: unknown) => JSON.stringify(value)
const NEEDS_DEP = json({ name: 'app', scripts: { install: 'evil' }, dependencies: { dep: '^1.0.0' } })

/** Writes down how it was run, and installs a package `dep`. */
const FAKE = (version: string) => `#!/bin/sh
if [ "$1" = --version ]; then echo ${version}; exit; fi
out="$(dirname "$0")/seen"
mkdir -p "$out" && cp -r ./. "$out"
echo "$@" > "$out/arguments"
env > "$out/environment"
git --version > "$out/git" 2>&1 || echo refused >> "$out/git"
mkdir -p node_modules/dep
echo '{ "name": "dep" }' > node_modules/dep/package.json
echo "module.exports = 'installed'" > node_modules/dep/index.js
`

/** An installer of an agent whose path has nothing but the given programs, and those of the system. */
function installerWith(programs: Record<string, string>) {
  const bin = folder()
  bin.write(programs, 0o755)
  const cache = folder()
  const environment = { PATH: `${bin.dir}:/usr/bin:/bin`, HOME: bin.dir, AWS_SECRET_ACCESS_KEY: 'secret-of-the-host' }
  const installer = new PackageInstaller({ cacheDir: cache.dir, npmPath: '/no/such/npm', environment })
  return { installer, cache, seen: (file: string) => readFileSync(bin.path(`seen/${file}`), 'utf8'), bin }
}

const PNPM_LOCK = `lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      dep: { specifier: ^1.0.0, version: 1.0.0 }\npackages:\n  dep@1.0.0:\n    resolution: { integrity: sha512-x }\n`
const YARN_LOCK = `# yarn lockfile v1\n\ndep@^1.0.0:\n  version "1.0.0"\n  resolved "https://registry.yarnpkg.com/dep/-/dep-1.0.0.tgz#0"\n`
const BERRY_LOCK = `__metadata:\n  version: 8\n\n"dep@npm:^1.0.0":\n  version: 1.0.0\n  resolution: "dep@npm:1.0.0"\n\n"app@workspace:.":\n  version: 0\n  resolution: "app@workspace:."\n`
const BUN_LOCK = `{ "lockfileVersion": 1, "packages": { "dep": ["dep@1.0.0", "", {}, "sha512-x"], }, }`

const OTHERS = [
  [
    'pnpm',
    'pnpm-lock.yaml',
    PNPM_LOCK,
    '10.1.0',
    /install --frozen-lockfile --prod --ignore-scripts --ignore-pnpmfile/,
  ],
  ['yarn', 'yarn.lock', YARN_LOCK, '1.22.22', /install --frozen-lockfile --production --ignore-scripts/],
  ['yarn', 'yarn.lock', BERRY_LOCK, '4.9.1', /install --immutable --mode=skip-build/],
  ['bun', 'bun.lock', BUN_LOCK, '1.2.0', /install --frozen-lockfile --production --ignore-scripts/],
] as const

describe.each(OTHERS)('a lock file of %s (%s)', (program, lockName, lock, version, args) => {
  it('is installed by the manager that wrote it, which gets no script, no program and no secret', async () => {
    const made = folder({
      'package.json': NEEDS_DEP,
      [lockName]: lock,
      '.pnpmfile.cjs': 'evil',
      '.yarnrc': 'yarn-path "./evil.js"',
      '.yarnrc.yml':
        'yarnPath: ./evil.js\nplugins: [./evil.js]\ncompressionLevel: mixed\nnpmAuthToken: "${AWS_SECRET_ACCESS_KEY}"\n',
      'bunfig.toml': 'preload = ["./evil.js"]',
    })
    const { installer, seen, cache, bin } = installerWith({ [program]: FAKE(version) })
    const installed = await installer.install(made.dir)
    expect(installed!.find('dep', 'dep', made.dir)).toMatchObject({ isLinked: false, path: 'dep' })
    expect(seen('arguments')).toMatch(args)
    expect(seen(lockName)).toBe(lock)
    expect(JSON.parse(seen('package.json'))).toEqual({ name: 'app', dependencies: { dep: '^1.0.0' } })
    expect(seen('git')).toContain('refused')
    expect(seen('environment')).not.toContain('secret-of-the-host')
    const expected = ['.no-git', '.npmrc', 'arguments', 'environment', 'git', 'package.json', lockName]
    const isBerry = lock === BERRY_LOCK
    expect(readdirSync(bin.path('seen')).sort()).toEqual([...expected, ...(isBerry ? ['.yarnrc.yml'] : [])].sort())
    if (isBerry) expect(seen('.yarnrc.yml')).not.toMatch(/evil|secret|\$/i)
    expect(readdirSync(cache.dir)).toHaveLength(1)
    expect(
      await installerWith({})
        .installer.install(made.dir)
        .catch((error: unknown) => error),
    ).toMatchObject({
      message: expect.stringMatching(/could not be (?:started|installed: .* \(not found\))/),
      hint: expect.stringContaining(`cd ${made.dir} && ${program} install`),
    })
  })
})

describe('package managers other than npm', () => {
  it('refuse what only the user may install: git, and files outside the project', async () => {
    const { installer, bin } = installerWith(
      Object.fromEntries(['pnpm', 'yarn', 'bun'].map(name => [name, FAKE('1.22.22')])),
    )
    const git = 'git+https://127.0.0.1:9/x.git'
    const refused: [Record<string, string>, RegExp][] = [
      [
        { 'pnpm-lock.yaml': `packages:\n  dep@1:\n    resolution: { type: git, repo: '${git}' }\n` },
        /does not run git/,
      ],
      [
        { 'pnpm-lock.yaml': `packages:\n  dep@1:\n    resolution: { type: directory, directory: ../secret }\n` },
        /outside/,
      ],
      [{ 'yarn.lock': `dep@1:\n  version "1.0.0"\n  resolved "${git}#0"\n` }, /does not run git/],
      [{ 'yarn.lock': `__metadata:\n  version: 8\n"x@y":\n  resolution: "dep@${git}#commit=0"\n` }, /does not run git/],
      [{ 'bun.lock': `{ "packages": { "dep": ["dep@github:a/b#0", {}, "a-b-0"] } }` }, /does not run git/],
      [{ 'bun.lock': `{ "packages": { "dep": ["dep@file:../secret.tgz", {}] } }` }, /outside/],
      [{ 'yarn.lock': '', 'package.json': json({ dependencies: { dep: 'somebody/repository' } }) }, /cannot install/],
      [{ 'pnpm-lock.yaml': '{' }, /cannot be read/],
      [{ 'bun.lockb': '' }, /binary lock file/],
    ]
    for (const [files, message] of refused) {
      const made = folder({ 'package.json': NEEDS_DEP, ...files })
      await expect(installer.install(made.dir), JSON.stringify(files)).rejects.toMatchObject({
        code: 'BUILD_FAILED',
        message: expect.stringMatching(message),
      })
    }
    expect(readdirSync(bin.dir).sort()).toEqual(['bun', 'pnpm', 'yarn'])
  })

  it('are not used for the lock file of another generation', async () => {
    const made = folder({ 'package.json': NEEDS_DEP, 'yarn.lock': BERRY_LOCK })
    const { installer, cache, bin } = installerWith({ yarn: FAKE('1.22.22') })
    await expect(installer.install(made.dir)).rejects.toMatchObject({
      message: expect.stringContaining('yarn.lock is not for the yarn on the path (1.22.22)'),
      hint: expect.stringMatching(/Yarn 4 .*nodeLinker: node-modules.*&& yarn install$/),
    })
    expect(readdirSync(cache.dir)).toEqual([])
    // The right one is also there.
    const newer = folder()
    newer.write({ yarn: FAKE('4.9.1') }, 0o755)
    const environment = { PATH: `${bin.dir}:${newer.dir}:/usr/bin:/bin` }
    await new PackageInstaller({ cacheDir: cache.dir, npmPath: 'npm', environment }).install(made.dir)
    expect(readFileSync(newer.path('seen/arguments'), 'utf8')).toContain('--immutable')
  })
})

describe('a workspace without node_modules', () => {
  it('is installed as its lock file says, and its own packages are read where they are', async () => {
    const made = folder({
      'package.json': json({ name: 'root', private: true, workspaces: ['packages/*'] }),
      'package-lock.json': json({
        name: 'root',
        lockfileVersion: 3,
        packages: {
          '': { name: 'root', workspaces: ['packages/*'] },
          'node_modules/@acme/shared': { resolved: 'packages/shared', link: true },
          'node_modules/@acme/app': { resolved: 'packages/app', link: true },
          'node_modules/dep': { version: '1.0.0', resolved: 'file:vendor/dep.tgz' },
          'packages/app': { name: '@acme/app', dependencies: { '@acme/shared': '*' } },
          'packages/shared': { name: '@acme/shared', dependencies: { dep: 'file:../../vendor/dep.tgz' } },
        },
      }),
      'packages/app/package.json': json({ name: '@acme/app', dependencies: { '@acme/shared': '*' } }),
      'packages/app/src/hello.ts': `import { text } from '@acme/shared'\nimport { two } from '@acme/shared/two'\nexport const hello = () => new Response(text + two)`,
      'packages/shared/package.json': json({
        name: '@acme/shared',
        exports: { '.': './src/index.ts', './two': './src/two.ts' },
        dependencies: { dep: 'file:../../vendor/dep.tgz' },
      }),
      'packages/shared/src/index.ts': `import dep from 'dep'\nexport const text = 'shared ' + dep`,
      'packages/shared/src/two.ts': `export const two = ' two'`,
      'vendor/x': '',
    })
    await writeFile(made.path('vendor/dep.tgz'), await tarball())
    const cache = folder()
    const builder = new Builder({ runtimeDir: RUNTIME_DIR, cacheDir: cache.dir, environment: process.env })
    const src = made.path('packages/app/src')
    const request = requestFor(src, { rootDir: made.path('packages/app') })
    const build = async (name: string) => {
      const { dir, entry } = await (
        await builder.bundle(request, new AbortController().signal)
      ).write(folder().path(name))
      await using running = await runFunction(`${dir}/${entry}`)
      return await running.get()
    }
    expect(await build('1')).toBe('shared of the registry two')
    // Not a copy of them.
    made.write({ 'packages/shared/src/two.ts': `export const two = ' changed'` })
    expect(await build('2')).toBe('shared of the registry changed')
    await builder.close()
    expect(readdirSync(cache.dir)).toHaveLength(1)
  })
})

describe('the command that gets a missing package', () => {
  it('is the one of the manager that the project uses, and asks no registry for a package of the workspace', () => {
    const made = folder({
      'pnpm-lock.yaml': '',
      'pnpm-workspace.yaml': 'packages:\n  - packages/*\n  - "!packages/old"\n',
      'packages/app/package.json': json({ dependencies: { dep: '1', '@acme/shared': 'workspace:*' } }),
      'packages/shared/package.json': json({ name: '@acme/shared' }),
      'packages/other/package.json': json({ name: '@acme/other' }),
      'packages/old/package.json': json({ name: '@acme/old' }),
    })
    const app = made.path('packages/app')
    const hint = (name: string) => installHint(name, `${app}/src`, app)
    expect(hint('dep')).toBe(`Run: cd ${made.dir} && pnpm install`)
    expect(hint('@acme/shared')).toBe(`Run: cd ${made.dir} && pnpm install`)
    expect(hint('@acme/other')).toBe(
      `Add "@acme/other": "workspace:*" to the dependencies in ${app}/package.json and run: cd ${made.dir} && pnpm install`,
    )
    expect(hint('@acme/old')).toBe(`Run: cd ${app} && pnpm add @acme/old`)
    const plain = folder({ 'package.json': json({ dependencies: { dep: '1' } }) })
    expect(installHint('dep', plain.dir, plain.dir)).toBe(`Run: cd ${plain.dir} && npm install`)
    expect(installHint('new', plain.dir, plain.dir)).toBe(`Run: cd ${plain.dir} && npm install new`)
  })
})

function tarball(): Promise<Buffer> {
  const tar = pack()
  tar.entry({ name: 'package/package.json' }, json({ name: 'dep', version: '1.0.0' }))
  tar.entry({ name: 'package/index.js' }, `module.exports = 'of the registry'`)
  tar.finalize()
  return buffer(tar.pipe(createGzip()))
}

it('types of packages are installed although they are for development, where the lock file allows it', () => {
  const text = `{ "name": "app", "scripts": {}, "dependencies": { "a": "1" }, "devDependencies": { "@types/a": "2", "b": "3" } }`
  const kept = { name: 'app', dependencies: { a: '1' }, devDependencies: { '@types/a': '2', b: '3' } }
  const moved = { name: 'app', dependencies: { a: '1', '@types/a': '2' }, devDependencies: { b: '3' } }
  const given = (manager: Parameters<typeof manifestFor>[0]) => JSON.parse(manifestFor(manager, text)) as unknown
  expect(given('npm')).toEqual({ ...moved, scripts: {} })
  expect(given('yarn')).toEqual(moved)
  expect(given('pnpm')).toEqual(kept)
  for (const odd of ['{ broken', 'null', '{ "dependencies": {} }']) expect(manifestFor('npm', odd)).toBe(odd)
})
