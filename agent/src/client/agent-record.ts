/** The agent's file, read without the schema: for what is to be quick or small, and then asks the agent to prove itself. */
import { readFile } from 'node:fs/promises'
import type { AgentFile } from './home.ts'
import { homePaths } from './home-paths.ts'

/** @throws if there is none, or it is not one */
export async function readAgentRecord(home: string): Promise<{ agent: AgentFile; token: string }> {
  const { agentFile, token: tokenFile } = homePaths(home)
  const [text, secret] = await Promise.all([readFile(agentFile, 'utf8'), readFile(tokenFile, 'utf8')])
  const agent = JSON.parse(text) as AgentFile
  if (!Number.isSafeInteger(agent.pid) || !URL.canParse(agent.url)) throw new Error(`${agentFile} is damaged`)
  return { agent, token: secret.trim() }
}
