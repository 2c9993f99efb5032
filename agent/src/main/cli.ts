/** Entry of the command line: what is quick is done here, everything else is loaded when it is needed. */
import { existsSync, readFileSync } from 'node:fs'
import { quickDeploy } from '../cli/quick-deploy.ts'
import { quickDetails } from '../cli/quick-details.ts'
import { homeFrom, homePaths } from '../client/home-paths.ts'

/** Of the command that starts a platform, in lower case. */
const STARTING = new Set(['startfaas', 'start', 'up'])
const AGENT_END_MS = 10_000

// The reader closed the pipe (`| head`).
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
}

async function main(): Promise<void> {
  const { argv, env: environment, stdout, stderr } = process
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  const place = { home: homeFrom(environment), version, cwd: process.cwd() }
  const streams = { stdout, stderr, environment }
  const words = argv.slice(2)
  // Whoever has servers may mean one of them.
  const isHere = environment['RYO_FAAS_SERVER'] === undefined && !existsSync(homePaths(place.home).servers)
  const quick = async () =>
    (await quickDeploy(words, place, streams)) ?? ((await quickDetails(words, place, streams)) ? 0 : undefined)
  const start = async () => {
    const { directLaunch } = await import('../platform/launch-directly.ts')
    const launchAgent = await directLaunch(place.home, environment)
    if (launchAgent === undefined) return undefined
    const { quickStart } = await import('../cli/quick-start.ts')
    const { waitForExit } = await import('../host/process-identity.ts')
    const agentGone = (agent: Parameters<typeof waitForExit>[0]) => waitForExit(agent, AGENT_END_MS)
    return quickStart(words, { ...place, launchAgent, agentGone }, streams)
  }
  const isStart = STARTING.has(words[0]?.toLowerCase() ?? '')
  const code =
    (isStart ? await start() : isHere ? await quick() : undefined) ??
    (await (await import('./command-line.ts')).runCommandLine())
  // Flushes what is still buffered for a pipe.
  for (const stream of [stdout, stderr]) await new Promise(resolve => stream.write('', resolve))
  process.exit(code)
}

// Not awaited: the build makes a CommonJS file of this, which starts faster.
void main()
