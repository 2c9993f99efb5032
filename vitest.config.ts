import { defineConfig } from 'vitest/config'

// `source` is the export condition under which our packages resolve to their TypeScript, so tests need no build.
const conditions = ['source', 'node', 'import', 'default']

/** Beside their source like all tests, but they start a real nats-server, which a unit run does not ask for. */
const NEEDS_NATS = [
  'agent/src/{bus,services/dispatcher,services/proxy/async,services/store/relay}/**/*.test.ts',
  // Processes of its own, compiled on the fly: too slow for a unit run.
  'agent/src/services/store/main.test.ts',
]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{runtime,agent,extension}/src/**/*.test.ts'],
          exclude: [...NEEDS_NATS, '**/node_modules/**'],
          testTimeout: 20_000,
        },
      },
      {
        extends: true,
        test: { name: 'bus', include: NEEDS_NATS, testTimeout: 30_000 },
      },
      {
        extends: true,
        test: {
          name: 'platform',
          include: ['agent/test/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'editor',
          include: ['extension/test/**/*.test.ts'],
          // Fetches the editor and packs the extension; only when these tests are run.
          globalSetup: 'extension/test/bed/global-setup.ts',
          testTimeout: 100_000,
          hookTimeout: 120_000,
          // Each file has an editor of its own, and much of its time is waiting. After the others, which measure nothing
          // but would be slow beside browsers.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
