/**
 * The agent's processes as bundles, laid out like `agent/dist` so that they find each other: `agent/bundle`. A process
 * that loads a few files instead of hundreds starts in half the time. Native and huge packages stay outside.
 */
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const dist = fileURLToPath(new URL('../dist/', import.meta.url))

const SMALL_UNDICI = fileURLToPath(new URL('small-undici.js', import.meta.url))

/** What runs as a process, or a thread, of its own: paths below `agent/src`, without their ending. */
export const ENTRIES = [
  'main/agent',
  'main/agent-process',
  'main/command-line',
  'main/keeper',
  'services/proxy/main',
  'services/dispatcher/main',
  'services/store/main',
  'services/store/thread-main',
  'languages/node/checker/checker-main',
]
const OUTSIDE = ['esbuild', 'ts-morph', 'lmdb', 'ssh2', 'cpu-features']

/** Of these only `default` is used. */
const DEFAULT_ONLY = new Set(['undici/index.js', 'tar-fs/index.js'])

/** For what is CommonJS in a module of ours. */
const BANNER = [
  "import { createRequire as __createRequire } from 'node:module'",
  'const require = __createRequire(import.meta.url)',
].join('\n')

/**
 * What packages load at once and we never use: gRPC for BuildKit's sessions (we build with the classic API), the messages
 * of zod in other languages, and of OpenTelemetry's SDK what is not about traces.
 * @type {import('esbuild').Plugin}
 */
const withoutUnused = {
  name: 'without-unused',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(?:\.\/(?:sdk|start)|@opentelemetry\/sdk-(?:logs|metrics))$/ }, ({ path, importer }) =>
      /[\\/]@opentelemetry[\\/]sdk-node[\\/]/.test(importer) ? { path, namespace: 'unused' } : undefined,
    )
    onResolve({ filter: /^\.\/(?:session|buildkit)$/ }, ({ path, importer }) =>
      /[\\/]dockerode[\\/]lib[\\/]/.test(importer) ? { path, namespace: 'unused' } : undefined,
    )
    onLoad({ filter: /.*/, namespace: 'unused' }, () => ({ contents: 'module.exports = {}' }))
    onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js'",
    }))
  },
}

/**
 * Imports `node:http` the cheap way. An `import` of it makes Node read every export, and one of them loads all of undici:
 * 10 to 35 ms of a process's start, and 1.4 MB. Through `process.getBuiltinModule` only what is used is read. The builder
 * of functions does the same (`http-plugin.ts`).
 * @type {import('esbuild').Plugin}
 */
const httpAsUsed = {
  name: 'http-as-used',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(?:node:)?https?$/ }, ({ path, kind }) =>
      kind === 'import-statement'
        ? { path: path.replace('node:', ''), namespace: 'builtin', sideEffects: false }
        : undefined,
    )
    onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule('node:${path}')`,
    }))
  },
}

/**
 * Loads what reaches Docker through ssh (`DOCKER_HOST=ssh://…`) when it is asked to: with its cryptography in machine code it
 * is a tenth of what an agent loads.
 * @type {import('esbuild').Plugin}
 */
const lateSsh = {
  name: 'late-ssh',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\/ssh$/ }, ({ importer, resolveDir }) =>
      /[\\/]docker-modem[\\/]lib[\\/]modem\.js$/.test(importer)
        ? { path: join(resolveDir, 'ssh.js'), namespace: 'late' }
        : undefined,
    )
    onLoad({ filter: /./, namespace: 'late' }, ({ path }) => ({
      contents: `module.exports = options => require(${JSON.stringify(path)})(options)`,
      resolveDir: dirname(path),
    }))
  },
}

/**
 * HTTP/2 when a server speaks it, not as soon as one is imported: 3 ms of each process with fastify.
 * @type {import('esbuild').Plugin}
 */
const lateHttp2 = {
  name: 'late-http2',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:http2$/ }, ({ importer }) =>
      /[\\/]fastify[\\/]lib[\\/]server\.js$/.test(importer) ? { path: 'http2', namespace: 'late-http2' } : undefined,
    )
    const call = name => `exports.${name} = (...given) => process.getBuiltinModule('node:http2').${name}(...given)`
    onLoad({ filter: /./, namespace: 'late-http2' }, () => ({
      contents: [call('createServer'), call('createSecureServer')].join('\n'),
    }))
  },
}

/** @type {import('esbuild').Plugin} */
const smallUndici = {
  name: 'small-undici',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^undici$/ }, ({ importer }) =>
      /[\\/]services[\\/]dispatcher[\\/]/.test(importer) ? { path: SMALL_UNDICI } : undefined,
    ),
}

/**
 * An entry as one module, with chunks for what it loads later.
 * @type {import('esbuild').BuildOptions}
 */
export const AS_MODULE = {
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  mainFields: ['module', 'main'],
  banner: { js: BANNER },
  define: { __dirname: 'import.meta.dirname', __filename: 'import.meta.filename' },
  logLevel: 'warning',
}

/** @type {import('esbuild').BuildOptions} */
const FOR_NODE = {
  ...AS_MODULE,
  external: OUTSIDE,
  plugins: [withoutUnused, httpAsUsed, lateHttp2, lateSsh, smallUndici],
  legalComments: 'none',
  // Half the text to keep in memory; names and short lines stay for stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 160,
}

/** Chunks of an earlier build stay for so long: a platform that runs from here may not have loaded them yet. */
const KEPT_MS = 24 * 3600_000

export async function bundleAgent(folder) {
  await mkdir(folder, { recursive: true })
  const [metafiles] = await Promise.all([
    Promise.all(ENTRIES.map(name => bundleEntry(folder, name))),
    bundleQuickCli(folder),
  ])
  metafiles.forEach(refuseLostNames)
  const outputs = new Set(metafiles.flatMap(metafile => Object.keys(metafile.outputs)))
  const chunks = join(folder, 'chunks')
  for (const name of await readdir(chunks)) {
    const path = join(chunks, name)
    if (outputs.has(`chunks/${name}`) || Date.now() - (await stat(path)).mtimeMs < KEPT_MS) continue
    await rm(path)
  }
}

/**
 * Each with nothing that only others need: chunks that entries share would have in them what any of these uses, and of
 * schemas that is 3 to 4 MB in each process. What an entry loads later is in chunks of its own.
 */
async function bundleEntry(folder, name) {
  const { metafile } = await build({
    entryPoints: [`${dist}${name}.js`],
    outbase: dist,
    outdir: folder,
    // As deep as the modules in it that look for files beside themselves.
    chunkNames: 'chunks/[name]-[hash]',
    metafile: true,
    absWorkingDir: folder,
    ...FOR_NODE,
    // An entry that another one loads later: together they would have chunks in common, which the first waits for.
    external: [...OUTSIDE, './agent-process.js'],
  })
  return metafile
}

/** A CommonJS package that is loaded by `import()` has only `default` in a bundle. */
function refuseLostNames({ inputs }) {
  for (const [file, { imports }] of Object.entries(inputs)) {
    for (const { path, kind } of imports) {
      if (kind !== 'dynamic-import' || inputs[path]?.format !== 'cjs' || file.includes('node_modules')) continue
      if (!DEFAULT_ONLY.has(path.split('node_modules/').at(-1))) throw new Error(`${file} imports names of ${path}`)
    }
  }
}

/**
 * The entry of the command line as one CommonJS file without what only `main/command-line.js` next to it needs: Node
 * loads it in a third of the time.
 */
export async function bundleQuickCli(folder, more = {}) {
  const { metafile } = await build({
    entryPoints: [`${dist}main/cli.js`],
    outfile: join(folder, 'main', 'cli.cjs'),
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    external: ['./command-line.js', 'ora'],
    banner: { js: "const __url = require('node:url').pathToFileURL(__filename).href" },
    define: { 'import.meta.url': '__url' },
    logLevel: 'warning',
    metafile: true,
    ...more,
  })
  // One value import from a file with schemas brings all of zod, unnoticed: half of the time of `details`.
  const [{ inputs }] = Object.values(metafile.outputs)
  const heavy = Object.keys(inputs).find(path => path.includes('node_modules/zod/') && inputs[path].bytesInOutput > 0)
  if (heavy !== undefined) throw new Error(`the quick command line loads ${heavy}: import from a file without schemas`)
}
