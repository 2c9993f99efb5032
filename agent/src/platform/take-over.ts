/**
 * Ends the agent of another release and nothing else: parts and functions go on, and the next agent adopts them and
 * replaces those parts that run another release. Whatever is killed in between, the next start brings an agent.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { readAgentFile } from '../client/index.ts'
import { ProcessIdentity, readIfPresent, signalProcess, waitForExit } from '../host/index.ts'

const KeeperFile = z.object({ identity: ProcessIdentity })
const END_MS = 10_000

export async function endAgent(home: string): Promise<void> {
  // It would bring the agent back.
  const keeper = await readIfPresent(join(home, 'run', 'keeper.json'))
  if (keeper !== undefined) await end(KeeperFile.parse(JSON.parse(keeper)).identity)
  const found = await readAgentFile(home)
  if (found !== undefined) await end(found.agent)
}

async function end(process: ProcessIdentity): Promise<void> {
  if ((await signalProcess(process, 'SIGTERM')) && (await waitForExit(process, END_MS))) return
  if (await signalProcess(process, 'SIGKILL')) await waitForExit(process, END_MS)
}
