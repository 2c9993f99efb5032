import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { IS_WHOLE } from './agent/test/support/whole-suite.ts'

// `source` is the export condition under which our packages resolve to their TypeScript, so tests need no build. Not
// `import`: Node's `require` would take it too, and get modules that it cannot call.
const conditions = ['source', 'node']

/** Beside their source like all tests, but not for a unit run: a real nats-server, or processes compiled on the fly. */
const WITH_PROCESSES = [
  'agent/src/{bus,calls,cluster,services/dispatcher,services/proxy/calls-api,services/store/relay}/**/*.test.ts',
  'agent/src/{services/store/main,services/proxy/main,services/proxy/events-api/events-api,observability/collector/survival,engines/process/process-engine}.test.ts',
  'agent/src/services/store/postgres/**/*.test.ts',
  'agent/src/services/store/testing/histories.test.ts',
  'agent/src/platform/{keeper,parts/given-nats,sharing/*}.test.ts',
  'agent/src/{routes/shared/shared-table,services/proxy/shared/far-proxies}.test.ts',
  'agent/src/acme/acme.test.ts',
  'agent/src/packages/killed-upload.test.ts',
  'runtime/src/{main,source-maps}.test.ts',
]

/** They run TypeScript's compiler, esbuild and npm: more than all units together. */
const COMPILING = [
  'agent/src/languages/**/*.test.ts',
  'agent/src/deployments/silent-engine.test.ts',
  'extension/src/analysis/worker/*.test.ts',
  'docs/**/*.test.ts',
]

/** Has a browser that breaks off what it loads when a network comes or goes: beside what needs no network of its own. */
const BROWSER = 'agent/test/platform/internet.test.ts'

/** They fill the machine. */
const ALONE = 'agent/test/platform/{heavy,under-load}.test.ts'

/** Real applications and what is published. */
const APPS = 'agent/test/apps/**/*.test.ts'

/** Three machines with a Docker each. */
const SWARM = 'agent/test/swarm/**/*.test.ts'

/** For `npm run test:all` only. What it proves, others prove in the gate: in few words, here. */
const NOT_IN_GATE = [
  // `docs/blocks/links.test.ts` looks where links lead, without building the site.
  'agent/test/docs/site.test.ts',
  // `apps.test.ts` tries a sample of the applications.
  'agent/test/apps/published.test.ts',
  // `swarm-platform.test.ts` has a whole platform on three machines, and `platform/move-engine.test.ts` moves.
  'agent/test/swarm/{machines,members,move-engine,registry,swarm-engine}.test.ts',
  // Of the image, `ci.test.ts` reads the files.
  'agent/test/swarm/image.test.ts',
  // Its parts: `stand-by.test.ts` kills the machine of the agent that leads, `swarm-platform.test.ts` one with instances.
  'agent/test/swarm/chaos.test.ts',
  // `bus/cluster` and `given-nats` kill the members of a cluster, and two platforms share one in `bus/shared-server`.
  'agent/test/platform/nats-cluster.test.ts',
  // The first steps once more: `in-containers.test.ts` makes them with Docker, and others do each without.
  'extension/test/ui/without-docker.test.ts',
  // `fresh-folder.test.ts` has one that is written into; the rest is tried without a window in `extension/src`.
  'extension/test/ui/first-projects.test.ts',
  // `platform/server.test.ts` does all of it by ssh, `platform-link`, `server` and `views` of `extension/src` what an editor makes of it.
  'extension/test/ui/server.test.ts',
  // `asleep.test.ts` has asynchronous calls of containers, `async.test.ts` all the rest.
  'agent/test/async/async-docker.test.ts',
  // `one-trace.test.ts` has store, triggers and spans of containers, `store.test.ts` and `metrics-and-traces.test.ts` the rest.
  'agent/test/{store/store-docker,telemetry/traces-docker}.test.ts',
  // `engine.test.ts` has the contract of this third engine, which is what a platform knows of it.
  'agent/test/engine/third-engine.test.ts',
  // `python-examples.test.ts` has the same contract, `artefact.test.ts` an example in Go, `go.test.ts` all of the language.
  'agent/test/languages/go-examples.test.ts',
  // `dispatcher/survival` has two dispatchers that run each of many calls once.
  'agent/test/async/once.test.ts',
  // Two dispatchers that race for each time, and are killed, are in `triggers/schedule/schedule.test.ts`.
  'agent/test/async/schedules-chaos.test.ts',
]
const notHere = ['**/node_modules/**', ...(IS_WHOLE ? [] : NOT_IN_GATE)]

/** One with machines of its own beside what fills this one; in the whole suite one after the other. */
const WITH_MACHINES = IS_WHOLE ? 1 : 2

/** Those that take longest, from the longest on: begun last, they would keep everything waiting for them. */
const LONG = [
  ...['acme/acme', 'postgres-store', 'platform/internet', 'proxy/main', 'shared/shared-table'],
  ...['postgres/crash', 'dispatcher/survival'],
  ...['store/main', 'bus/cluster', 'testing/histories', 'relay/crash', 'schedule/schedule', 'nats/nats'],
  ...['node/node-language', 'checker/accepted', 'builder/builder', 'client/listener-client', 'api/front-door'],
  ...['platform/server', 'platform/stand-by', 'engine/engine', 'platform/faults', 'platform/asleep', 'docs/pages'],
  ...['elastic/chaos', 'languages/python', 'proofs/doors', 'platform/start-stop', 'platform/commands'],
  ...['platform/artefact', 'languages/languages-together', 'store/chaos', 'platform/bad-input', 'languages/command'],
  ...['platform/backup', 'telemetry/dashboard', 'platform/move-engine', 'store/store', 'platform/main-job'],
  ...['platform/ci', 'engine/private-network', 'languages/go', 'platform/further-proxies', 'async/chaos'],
  ...['telemetry/metrics-and-traces', 'platform/take-over', 'tracing/one-trace', 'engine/docker-images'],
  ...['ui/operations', 'ui/in-containers', 'host/host', 'ui/server', 'swarm/swarm-platform', 'platform/under-load'],
].map(name => `/${name}.test.ts`)

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const rankOf = ({ moduleId }: TestSpecification) => LONG.findIndex(path => moduleId.endsWith(path))
    const long = sorted.filter(file => rankOf(file) >= 0).sort((one, other) => rankOf(one) - rankOf(other))
    return [long, sorted.filter(file => rankOf(file) < 0)].flatMap(byProject)
  }
}

/** A worker goes on with the modules that it has loaded while the next file is of the same project. */
function byProject(files: TestSpecification[]): TestSpecification[] {
  const names = [...new Set(files.map(({ project }) => project.name))]
  return names.flatMap(name => files.filter(({ project }) => project.name === name))
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
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 3,
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'bus',
          include: WITH_PROCESSES,
          globalSetup: 'agent/test/support/bundle-entries.ts',
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 3,
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'platform',
          include: ['agent/test/**/*.test.ts'],
          exclude: [...notHere, BROWSER, ALONE, APPS, SWARM],
          globalSetup: 'agent/test/support/global-setup.ts',
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Most of the time is waiting for processes and containers.
          maxWorkers: 3,
          isolate: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'apps',
          include: [APPS],
          exclude: notHere,
          globalSetup: 'agent/test/support/global-setup.ts',
          hookTimeout: 120_000,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'browser',
          include: [BROWSER],
          globalSetup: 'agent/test/support/global-setup.ts',
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 3,
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'swarm',
          include: [SWARM],
          exclude: notHere,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Each file has its own machines, and no browser beside it, because their networks come and go.
          maxWorkers: WITH_MACHINES,
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
          maxWorkers: WITH_MACHINES,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: 'editor',
          include: ['extension/test/**/*.test.ts'],
          exclude: notHere,
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
