/** Entry of the command line. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { runCli } from '../cli/index.ts'
import { homeFrom, homePaths } from '../client/index.ts'
import { entryPath } from '../platform/entries.ts'
import { readIfPresent, spawnDetached, waitForExit, writeDurably } from '../host/index.ts'
import { findNode } from '../platform/node-binary.ts'
import { openUrl } from '../platform/open-url.ts'
import { restoreStore } from '../platform/restore-store.ts'
import { flagOf, OPTION_HELP, PlatformOptions, resolveOptions, variableOf } from '../platform/options.ts'

const { resolve } = createRequire(import.meta.url)
const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }
const AGENT_END_MS = 10_000
const environment = process.env
const home = homeFrom(environment)
const runtimeTypes = dirname(resolve('@ryo-faas/runtime/main'))
const runtimeDir = dirname(runtimeTypes)
const defaults = PlatformOptions.parse({})

const abort = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // The second one exits at once.
    if (abort.signal.aborted) process.exit(130)
    abort.abort()
  })
}

// The reader closed the pipe (`| head`).
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
}

const code = await runCli({
  argv: process.argv.slice(2),
  stdout: process.stdout,
  stderr: process.stderr,
  environment,
  signal: abort.signal,
  host: {
    version,
    environment,
    cwd: process.cwd(),
    home,
    stdin: process.stdin,
    platformFlags: Object.entries(OPTION_HELP).map(([name, help]) => ({
      name,
      help,
      default: defaults[name as keyof PlatformOptions],
      variable: variableOf(name),
    })),
    resolvedOptions: () => resolveOptions({}, environment),
    launchAgent: async flags => {
      const saved = await readIfPresent(homePaths(home).options)
      const options = resolveOptions(
        flags,
        environment,
        saved === undefined ? {} : (JSON.parse(saved) as Record<string, unknown>),
      )
      const command = await findNode(options.node)
      await writeDurably(homePaths(home).options, JSON.stringify(options))
      const { child } = await spawnDetached({
        command,
        args: [entryPath('main/agent'), home],
        env: environment,
        logFile: homePaths(home).agentLog,
      })
      return {
        state: () => {
          if (child.exitCode === null && child.signalCode === null) return 'lives'
          return child.exitCode === 0 ? 'gave-way' : 'failed'
        },
      }
    },
    differingFlags: async flags => {
      const saved = await readIfPresent(homePaths(home).options)
      if (saved === undefined) return []
      const running = PlatformOptions.parse(JSON.parse(saved))
      const wanted = resolveOptions(flags, {}, running)
      const names = Object.keys(OPTION_HELP) as (keyof PlatformOptions)[]
      return names.filter(name => wanted[name] !== running[name]).map(flagOf)
    },
    agentGone: agent => waitForExit(agent, AGENT_END_MS),
    // Imported lazily: both load the engines, which no other command needs.
    endByForce: async () => (await import('../platform/end-by-force.ts')).endByForce(home, environment),
    removeStopped: async () => (await import('../platform/remove-stopped.ts')).removeStopped(home, environment),
    checkHere: async request => {
      const { checkHere } = await import('../platform/check-here.ts')
      return checkHere(request, { home, environment, runtimeDir })
    },
    openUrl: url => openUrl(url, join(home, 'run', 'dashboard.html')),
    restoreStore: backup => restoreStore(home, backup),
    runtimeTypes,
  },
})
// Flushes what is still buffered for a pipe.
for (const stream of [process.stdout, process.stderr]) await new Promise(resolve => stream.write('', resolve))
process.exit(code)
