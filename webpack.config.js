/**
 * Bundles what is shipped, from what `npm run build` made: the agent's processes (ESM, laid out like `agent/dist` so that
 * they find each other; for a checkout `agent/scripts/bundle.js` does it) and the extension (`extension/dist/extension.cjs`,
 * CommonJS, as the editor loads it). Native and huge packages stay outside and are resolved from node_modules.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import MinimizerPlugin from 'minimizer-webpack-plugin'
import webpack from 'webpack'
import { ENTRIES } from './agent/scripts/bundle.js'

const path = relative => fileURLToPath(new URL(relative, import.meta.url))

const shared = {
  mode: 'production',
  target: 'node20',
  devtool: 'source-map',
  stats: 'errors-warnings',
  optimization: { minimize: false },
}

const AGENT_ENTRIES = [...ENTRIES, 'main/cli']
const SSH = ['ssh2', 'cpu-features']
/** Of OpenTelemetry's SDK the agent uses what is about traces. */
const NOT_TRACES = ['sdk.js', 'start.js'].map(file => path(`node_modules/@opentelemetry/sdk-node/build/src/${file}`))
const OUTSIDE = ['esbuild', 'ts-morph', 'lmdb']

/** As `agent/scripts/bundle.js` does it, and why. */
const HTTP_AS_USED = Object.fromEntries(
  ['http', 'https'].flatMap(name => {
    const external = `var process.getBuiltinModule('node:${name}')`
    return [name, `node:${name}`].map(request => [request, external])
  }),
)

/** The dashboard's files are made by then; the agent serves them from beside itself. */
const withDashboard = {
  apply: compiler =>
    compiler.hooks.thisCompilation.tap('dashboard', compilation =>
      compilation.hooks.processAssets.tap('dashboard', () => {
        const folder = path('agent/dist/dashboard/')
        for (const name of readdirSync(folder)) {
          compilation.emitAsset(`dashboard/${name}`, new webpack.sources.RawSource(readFileSync(folder + name)))
        }
      }),
    ),
}

/** The agent as it is shipped: without what only Docker over SSH needs. The packers make it small. */
const shippedAgent = {
  ...shared,
  name: 'shipped-agent',
  entry: Object.fromEntries(AGENT_ENTRIES.map(name => [name, `./agent/dist/${name}.js`])),
  output: {
    path: path('extension/dist/agent/bundle'),
    filename: '[name].js',
    // As deep as the modules in it that look for files beside themselves.
    chunkFilename: 'chunks/[id].js',
    module: true,
    chunkFormat: 'module',
    library: { type: 'module' },
    clean: true,
  },
  experiments: { outputModule: true },
  plugins: [withDashboard],
  externalsType: 'module',
  externals: { ...Object.fromEntries(OUTSIDE.map(name => [name, name])), ...HTTP_AS_USED },
  // Says which packages are in it, whose licences the packer collects.
  devtool: 'hidden-source-map',
  resolve: { alias: Object.fromEntries([...SSH, ...NOT_TRACES].map(name => [name, false])) },
  // Files are found beside the running module; webpack must not rewrite those places.
  module: {
    parser: { javascript: { importMeta: false, url: false, worker: false, createRequire: false } },
    rules: [
      {
        include: path('agent/dist/services/dispatcher'),
        resolve: { alias: { undici$: path('agent/scripts/small-undici.js') } },
      },
    ],
  },
}

/** Webpack's own takes most of a minute. The licences are in the notices. */
const esbuildMinimizer = new MinimizerPlugin({
  minify: MinimizerPlugin.esbuildMinify,
  minimizerOptions: { target: 'node20', legalComments: 'none' },
  extractComments: false,
  parallel: false,
})

/**
 * The extension: what the editor loads at once is small; the compiler comes with the worker, which both of them and the
 * agent that is shipped along find as the package `ts-morph` (`extension/scripts/package.ts` puts it there).
 */
const forEditor = {
  ...shared,
  optimization: { minimize: true, minimizer: [esbuildMinimizer] },
  externalsType: 'commonjs',
  devtool: 'hidden-source-map',
}

const extension = {
  ...forEditor,
  name: 'extension',
  entry: { extension: './extension/out/main.js' },
  output: {
    path: path('extension/dist'),
    filename: '[name].cjs',
    chunkFilename: '[name].cjs', // The parser of ryo-faas.config.ts, loaded where there is one.
    library: { type: 'commonjs2' },
  },
  // That parser is one file, and has one name.
  optimization: { ...forEditor.optimization, splitChunks: false },
  externals: { vscode: 'vscode' },
}

const analysisWorker = {
  ...shippedAgent,
  plugins: [],
  resolve: {},
  name: 'analysis-worker',
  optimization: forEditor.optimization,
  devtool: forEditor.devtool,
  entry: { 'analysis-worker': './extension/out/analysis/worker/main.js' },
  output: { ...shippedAgent.output, path: path('extension/dist'), filename: '[name].mjs', clean: false },
}

/** The file that the editor's TypeScript loads exports the plugin's function itself. */
const typescriptPlugin = {
  ...forEditor,
  name: 'typescript-plugin',
  entry: { 'typescript-plugin': './extension/out/typescript-plugin/main.js' },
  output: { path: path('extension/dist'), filename: '[name].cjs', library: { type: 'commonjs2', export: 'init' } },
  node: { __dirname: false },
}

export default [extension, analysisWorker, typescriptPlugin, shippedAgent]
