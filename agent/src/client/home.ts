/** How to find the running platform of a home. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { RyoFaasError } from '../contract/index.ts'
import { homePaths } from './home-paths.ts'

/** `<home>/agent.json`: written by an agent once its API answers, removed when the platform is stopped. */
export const AgentFile = z.object({
  url: z.string(),
  pid: z.int(),
  startedAt: z.string(),
  project: z.string(),
  version: z.string(),
  /** Hash of the code, if it was packaged. */
  build: z.string().optional(),
})
export type AgentFile = z.infer<typeof AgentFile>

/** What is needed to talk to the agent of a home; `undefined` if none has announced itself. */
export async function readAgentFile(home: string): Promise<{ agent: AgentFile; token: string } | undefined> {
  const { agentFile, token } = homePaths(home)
  try {
    const [agent, secret] = await Promise.all([readFile(agentFile, 'utf8'), readFile(token, 'utf8')])
    return { agent: AgentFile.parse(JSON.parse(agent)), token: secret.trim() }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    if (code === 'EACCES') {
      throw new RyoFaasError('HOME_UNUSABLE', `${home} belongs to another user`, {
        hint: 'Set RYO_FAAS_HOME to a folder of your own.',
        cause: error,
      })
    }
    throw new RyoFaasError('HOME_UNUSABLE', `${home} cannot be read: ${(error as Error).message}`, { cause: error })
  }
}
