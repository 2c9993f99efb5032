import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

// `source` is the export condition under which our packages resolve to their TypeScript, so tests need no build. Not
// `import`: Node's `require` would take it too, and get modules that it cannot call.
const conditions = ['source', 'node']

/** Beside their source like all tests, but not for a unit run: a real nats-server, or processes compiled on the fly. */
const WITH_PROCESSES = [
  'agent/src/{bus,calls,services/dispatcher,services/proxy/calls-api,services/store/relay}/**/*.test.ts',
  'agent/src/{services/store/main,services/proxy/main,services/proxy/events-api/events-api,observability/collector/survival,engines/process/process-engine}.test.ts',
  'agent/src/services/store/postgres/**/*.test.ts',
  'agent/src/services/store/testing/histories.test.ts',
  'agent/src/platform/keeper.test.ts',
  'agent/src/acme/acme.test.ts',
  'agent/src/packages/killed-upload.test.ts',
  // What Node answers to a broken frame differs between releases: as the parts run it.
  'agent/src/services/proxy/front/http2-frames.test.ts',
  'runtime/src/{main,source-maps}.test.ts',
]

/** They run TypeScript's compiler, esbuild and npm: more than all units together. */
const COMPILING = ['agent/src/languages/**/*.test.ts', 'extension/src/analysis/worker/*.test.ts', 'docs/**/*.test.ts']

/** They fill the machine. */
const ALONE = 'agent/test/{platform/{heavy,under-load,faults},{async,store,elastic}/chaos}.test.ts'

/** Real applications and what is published: only a sample of them if not asked for (`npm run test:apps`). */
const ALL_APPS = 'agent/test/apps/**/*.test.ts'

/** Three machines with a Docker each: only a whole platform on them if not asked for (`npm run test:swarm`). */
const ALL_SWARM = 'agent/test/swarm/**/*.test.ts'
const SWARM = process.env['RYO_FAAS_SWARM'] === undefined ? 'agent/test/swarm/swarm-platform.test.ts' : ALL_SWARM
const APPS = process.env['RYO_FAAS_APPS'] === undefined ? 'agent/test/apps/apps.test.ts' : ALL_APPS

/** Those that take longest, however short they are: begun last, they would keep everything waiting for them. */
const LONG =
  /(?:docs\/pages|start-stop|bad-input|hung-agent|main-job|engine\/engine|fresh-folder|without-docker|under-load)\.test\.ts$/

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLong = ({ moduleId }: TestSpecification) => LONG.test(moduleId)
    return [...sorted.filter(isLong), ...sorted.filter(file => !isLong(file))]
  }
}

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    // A second, the default, is what a busy machine may need for one turn.
    expect: { poll: { timeout: 20_000 } },
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{runtime,agent,extension}/src/**/*.test.ts'],
          exclude: [...WITH_PROCESSES, ...COMPILING, '**/node_modules/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // More than the two cores that we count on: much of the time is waiting.
          maxWorkers: 3,
          // Modules are loaded once for each worker: a third of the time. Whoever changes what all share puts it back.
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'compiler',
          include: COMPILING,
          exclude: ['**/node_modules/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 3,
          isolate: false,
        },
      },
      {
        extends: true,
        test: { name: 'bus', include: WITH_PROCESSES, testTimeout: 60_000, hookTimeout: 60_000, maxWorkers: 3 },
      },
      {
        extends: true,
        test: {
          name: 'platform',
          include: ['agent/test/**/*.test.ts'],
          exclude: [ALONE, ALL_APPS, ALL_SWARM],
          globalSetup: 'agent/test/support/global-setup.ts',
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Most of the time is waiting for processes and containers.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'apps',
          include: [APPS],
          globalSetup: 'agent/test/support/global-setup.ts',
          hookTimeout: 120_000,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'swarm',
          include: [SWARM],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Each file has its own machines.
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: 'alone',
          include: [ALONE],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: 'editor',
          include: ['extension/test/**/*.test.ts'],
          // Fetches the editor and packs the extension; only when these tests are run.
          globalSetup: 'extension/test/bed/global-setup.ts',
          testTimeout: 180_000,
          hookTimeout: 120_000,
          // Each file has an editor of its own, and much of its time is waiting.
          maxWorkers: 2,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
})
