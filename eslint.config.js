import tseslint from 'typescript-eslint'
import { layers } from './eslint-rules.js'

/** The layers of the agent, low to high. A folder imports lower rows only, never a sibling, and others by their index. */
const AGENT = [
  ['contract'],
  ['client', 'host', 'docker', 'access', 'observability/tracing'],
  ['languages', 'engines', 'bus', 'cloud-events', 'secrets', 'tokens', 'supervisor', 'observability', 'acme'],
  ['calls', 'cluster', 'deploy-file', 'routes'],
  ['packages'],
  ['services/nats', 'services/proxy', 'services/dispatcher', 'services/store'],
  ['deployments'],
  ['api', 'cli'],
  ['platform'],
  ['main'],
]

/** Folders of the agent that may see less than their row would allow. */
const ONLY = {
  cli: ['contract', 'client'],
  client: ['contract'],
  languages: ['contract', 'host'],
}

/** The layers of the extension, in the same way. The compiler in the analysis worker and the editor never meet. */
const EXTENSION = [
  ['editor', 'debug', 'typescript-plugin'],
  ['agent', 'project', 'traces', 'tree'],
  ['analysis', 'invoke', 'logs', 'store'],
  ['analysis/worker', 'codelens', 'diagnostics', 'views'],
  ['commands'],
  ['.'],
]

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/bundle/**',
      '**/out/**',
      '**/node_modules/**',
      'docs/.vitepress/cache/**',
      'agent/test/fixtures/**',
      'bench/**/*.mjs',
    ],
  },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['*.js', '*.ts', 'agent/bin/*.js'] } } },
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off', // An async method may have nothing to wait for in one implementation.
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false } }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/unbound-method': 'off', // Our functions on objects are closures, and Node's are bound.
    },
  },
  {
    files: ['runtime/src/protocol/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ regex: '^\\.\\./', message: 'The protocol depends on nothing.' }] },
      ],
    },
  },
  {
    files: ['agent/src/**/*.ts'],
    ignores: ['**/*.test.ts', '**/*-testing.ts', '**/testing/**'],
    plugins: { agent: { rules: { layers: layers({ root: 'agent/src/', rows: AGENT, only: ONLY, byIndex: true }) } } },
    rules: { 'agent/layers': 'error' },
  },
  {
    files: ['extension/src/**/*.ts'],
    ignores: ['**/*.test.ts', '**/testing/**'],
    plugins: { extension: { rules: { layers: layers({ root: 'extension/src/', rows: EXTENSION }) } } },
    rules: { 'extension/layers': 'error' },
  },
  {
    files: ['agent/src/**/*.ts'],
    ignores: ['agent/src/bus/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        { paths: [{ name: 'nats', message: 'Only the folder bus knows the library.' }] },
      ],
    },
  },
  { files: ['**/*.js'], ...tseslint.configs.disableTypeChecked },
  // CommonJS: Node starts it faster.
  { files: ['agent/bin/*.js'], rules: { '@typescript-eslint/no-require-imports': 'off' } },
  {
    files: ['**/*.test.ts', 'agent/test/**', 'runtime/src/testing/**', 'bench/**'],
    rules: {
      ...Object.fromEntries(
        ['no-unsafe-assignment', 'no-unsafe-member-access', 'no-unsafe-call', 'no-unsafe-argument', 'no-unsafe-return']
          .concat(['no-floating-promises', 'no-base-to-string', 'restrict-template-expressions', 'only-throw-error'])
          .map(rule => [`@typescript-eslint/${rule}`, 'off']),
      ),
      'no-restricted-imports': 'off',
    },
  },
)
