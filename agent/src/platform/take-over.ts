/**
 * Ends the agent of another release and nothing else: parts and functions go on, and the next agent adopts them and
 * replaces those parts that run another release. Whatever is killed in between, the next start brings an agent.
 */
import { readAgentFile } from '../client/index.ts'
import { DockerService } from '../docker/index.ts'
import { chooseEngine } from '../engines/index.ts'
import { signalProcess, waitForExit, type ProcessIdentity } from '../host/index.ts'
import { keeperOf } from './keeper-file.ts'
import { savedOptions } from './launch-agent.ts'
import { findNode } from './node-binary.ts'
import { resolveOptions } from './options.ts'

const END_MS = 10_000

export async function endAgent(home: string): Promise<void> {
  // It would bring the agent back.
  const keeper = await keeperOf(home)
  if (keeper !== undefined) await end(keeper)
  const found = await readAgentFile(home)
  if (found !== undefined) await end(found.agent)
}

/**
 * That the engine that these flags choose can be used here.
 * @returns the values that the platform of this home has for them
 * @throws RyoFaasError saying why it cannot
 */
export async function requireEngine(
  flags: Record<string, unknown>,
  { home, environment }: { home: string; environment: NodeJS.ProcessEnv },
): Promise<Record<string, unknown>> {
  const running = await savedOptions(home)
  const options = resolveOptions(flags, {}, running)
  const nodePath = await findNode(options.node)
  const docker = new DockerService(environment)
  const choice = { ...options, home, nodePath, environment, docker, runsOn: undefined, pool: 0 }
  await (await chooseEngine(choice)).close()
  return Object.fromEntries(Object.keys(flags).map(name => [name, running[name]]))
}

async function end(process: ProcessIdentity): Promise<void> {
  if ((await signalProcess(process, 'SIGTERM')) && (await waitForExit(process, END_MS))) return
  if (await signalProcess(process, 'SIGKILL')) await waitForExit(process, END_MS)
}
