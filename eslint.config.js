import tseslint from 'typescript-eslint'

/**
 * The layers of the agent, low to high. A folder imports only lower rows and what it lists, never a sibling in its own
 * row. `agent.ts` and the other files directly in `agent/src` are the composition root and may import everything.
 */
const LAYERS = [
  ['contract'],
  ['client', 'host', 'access'],
  [
    'deploy-file',
    'checker',
    'builder',
    'engine',
    'bus',
    'state',
    'secrets',
    'supervisor',
    'tracing',
    'collector',
    'monitoring',
  ],
  ['services/nats', 'services/proxy', 'services/dispatcher', 'services/store'],
  ['deployer'],
  ['api'],
]
const ROOT_FILES = [
  'agent',
  'entries',
  'keeper',
  'hang-watch',
  'end-by-force',
  'node-binary',
  'engine-choice',
  'nats-choice',
  'platform-parts',
  'routes-sink',
  'ensured-secrets',
  'store-log',
  'restore-store',
  'agent-tracing',
  'home-data',
  'observing',
  'platform-metrics',
  'throttle',
  'open-url',
  'bounded-logs',
]
const ALL = LAYERS.flat()

/** Folders that may see less than their layer would allow. */
const ONLY = {
  cli: ['contract', 'client'],
  client: ['contract'],
  checker: ['contract'],
  builder: ['contract', 'host'],
}

function allowedFor(folder) {
  if (ONLY[folder]) return ONLY[folder]
  const row = LAYERS.findIndex(names => names.includes(folder))
  return LAYERS.slice(0, row).flat()
}

function layer(folder) {
  const forbidden = ALL.filter(other => other !== folder && !allowedFor(folder).includes(other))
  return {
    files: [`agent/src/${folder}/**/*.ts`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            ...forbidden.map(other => ({
              regex: `^(\\.\\./)+(services/)?${other.replace('services/', '')}/`,
              message: `${folder} may not import ${other}: see the layers in eslint.config.js.`,
            })),
            {
              regex: `^(\\.\\./)+(${ROOT_FILES.join('|')})\\.ts$`,
              message: 'This file belongs to the composition root.',
            },
            {
              regex: '^\\.\\./([^.][^/]*/)+(?!index\\.ts$)[^/]+\\.ts$',
              message: 'Import other folders by their index.',
            },
          ],
        },
      ],
    },
  }
}

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/bundle/**',
      '**/out/**',
      '**/node_modules/**',
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
  ...[...ALL, 'cli'].map(layer),
  { files: ['**/*.js'], ...tseslint.configs.disableTypeChecked },
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
