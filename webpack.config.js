/**
 * Bundles what is shipped, from what `tsc -b` made: the agent's processes (`agent/bundle`, ESM, laid out like
 * `agent/dist` so that they find each other) and the extension (`extension/dist/extension.cjs`, CommonJS, as the editor
 * loads it). Native and huge packages stay outside and are resolved from node_modules.
 */
import { fileURLToPath } from 'node:url'

const path = relative => fileURLToPath(new URL(relative, import.meta.url))

const shared = {
  mode: 'production',
  target: 'node20',
  devtool: 'source-map',
  stats: 'errors-warnings',
  optimization: { minimize: false },
}

const AGENT_ENTRIES = [
  'agent-main',
  'cli-main',
  'keeper-main',
  'services/proxy/main',
  'services/dispatcher/main',
  'services/store/main',
  'checker/worker',
]
const OUTSIDE = ['esbuild', 'ts-morph', 'ssh2', 'cpu-features', 'lmdb']

const agent = {
  ...shared,
  name: 'agent',
  entry: Object.fromEntries(AGENT_ENTRIES.map(name => [name, `./agent/dist/${name}.js`])),
  output: {
    path: path('agent/bundle'),
    filename: '[name].js',
    module: true,
    chunkFormat: 'module',
    library: { type: 'module' },
    clean: true,
  },
  experiments: { outputModule: true },
  externalsType: 'module',
  externals: Object.fromEntries(OUTSIDE.map(name => [name, name])),
  // Files are found beside the running module; webpack must not rewrite those places.
  module: { parser: { javascript: { importMeta: false, url: false, worker: false, createRequire: false } } },
}

const extension = {
  ...shared,
  name: 'extension',
  entry: { extension: './extension/out/main.js' },
  output: { path: path('extension/dist'), filename: '[name].cjs', library: { type: 'commonjs2' } },
  externalsType: 'commonjs',
  externals: { vscode: 'vscode' },
}

export default [agent, extension]
