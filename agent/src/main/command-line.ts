/** The command line with everything that commands ask of this machine; each loads what it needs when it is asked. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { runCli, type CliOptions } from '../cli/cli.ts'
import type { CliHost } from '../cli/context.ts'
import { abortOnSignals } from '../cli/interrupt.ts'
import { homeFrom, homePaths } from '../client/home-paths.ts'

const AGENT_END_MS = 10_000

/** What it is run with: by its own process, or within another. */
export type CommandLine = Pick<CliHost, 'environment' | 'cwd' | 'stdin'> & Omit<CliOptions, 'host'>

/** @returns its exit code */
export async function runCommandLine(line = ofProcess()): Promise<number> {
  const { environment, cwd, stdin, signal } = line
  const home = homeFrom(environment)
  const { resolve } = createRequire(import.meta.url)
  const { version, fetchedNode: wanted } = createRequire(import.meta.url)('../../package.json') as {
    version: string
    fetchedNode?: unknown
  }
  const runtimeDir = dirname(dirname(resolve('@ryo-faas/runtime/main')))
  const nodeCache = { wanted, environment }

  return runCli({
    ...line,
    host: {
      version,
      environment,
      cwd,
      home,
      stdin,
      platformFlags: async () => {
        const { OPTION_HELP, PlatformOptions, variableOf } = await import('../platform/options.ts')
        const defaults: Record<string, unknown> = PlatformOptions.parse({})
        return Object.entries(OPTION_HELP).map(([name, help]) => {
          return { name, help, default: defaults[name], variable: variableOf(name) }
        })
      },
      resolvedOptions: async () => {
        const { resolveOptions, shownValue } = await import('../platform/options.ts')
        const options = Object.entries(resolveOptions({}, environment))
        return Object.fromEntries(options.map(([name, value]) => [name, shownValue(value)]))
      },
      launchAgent: async (flags, report) => {
        const { launchAgent } = await import('../platform/launch-agent.ts')
        return launchAgent({ flags, home, environment, nodeCache, report })
      },
      isKept: async () => (await import('../platform/keeper-file.ts')).isKept(home),
      endAgent: async () => (await import('../platform/take-over.ts')).endAgent(home),
      requireEngine: async flags =>
        (await import('../platform/take-over.ts')).requireEngine(flags, { home, environment }),
      runningOptions: async () => (await import('../platform/launch-agent.ts')).savedOptions(home),
      swarmMembers: async () => {
        const { SwarmMembers } = await import('../platform/swarm-members.ts')
        return SwarmMembers.connect(environment)
      },
      differingFlags: async flags => (await import('../platform/launch-agent.ts')).differingFlags(home, flags),
      agentGone: async agent => (await import('../host/process-identity.ts')).waitForExit(agent, AGENT_END_MS),
      examine: async () => (await import('../platform/doctor.ts')).examine({ home, version, environment, nodeCache }),
      endByForce: async () => (await import('../platform/end-by-force.ts')).endByForce(home, environment),
      removeStopped: async () => (await import('../platform/remove-stopped.ts')).removeStopped(home, environment),
      checkHere: async request => {
        const { checkHere } = await import('../platform/check-here.ts')
        return checkHere(request, { home, environment, runtimeDir })
      },
      buildHere: async (request, run) => {
        const { buildHere } = await import('../platform/build-here.ts')
        return buildHere({ ...request, builtBy: version }, run, { home, environment, runtimeDir })
      },
      writeArtefact: async (built, path) => (await import('../platform/build-here.ts')).writeArtefact(built, path),
      openArtefact: async (at, settings) => (await import('../platform/build-here.ts')).openArtefact(at, settings),
      exportKubernetes: async (request, run) => {
        const { exportHere } = await import('../platform/export-here.ts')
        return exportHere(request, { home, environment, nodeCache, runtimeDir, ...run })
      },
      openUrl: async url => (await import('../platform/open-url.ts')).openUrl(url, join(home, 'run', 'dashboard.html')),
      restoreStore: async backup => (await import('../platform/restore-store.ts')).restoreStore(home, backup),
      keepBackup: async (content, to) => (await import('../platform/backup/keep-backup.ts')).keepBackup(content, to),
      restoreHome: async (content, options) => {
        const { restoreHome } = await import('../platform/backup/restore-home.ts')
        return restoreHome(content, { home, version, ...options })
      },
      saveServers: async file => {
        const { writeDurably } = await import('../host/durable-file.ts')
        await writeDurably(homePaths(home).servers, JSON.stringify(file, null, 2))
      },
      packPlatform: async wanted => (await import('../platform/packed-platform.ts')).packPlatform(wanted),
      service: async (action, flags) => {
        const { changeService, systemOf } = await import('../platform/service.ts')
        return changeService(action, flags, { home, system: systemOf(environment) })
      },
      runProxy: async (proxy, onReady) => {
        const { runProxy } = await import('../platform/run-proxy.ts')
        return runProxy(proxy, { home, version, environment, signal }, onReady)
      },
      runtimeDir,
    },
  })
}

function ofProcess(): CommandLine {
  const { argv, env: environment, stdin, stdout, stderr } = process
  return { argv: argv.slice(2), environment, cwd: process.cwd(), stdin, stdout, stderr, signal: abortOnSignals() }
}
