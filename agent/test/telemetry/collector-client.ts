/** Sends to a platform's collector; its state file has the port. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AgentClient } from '../../src/client/index.ts'
import { PlatformState } from '../../src/deployments/state/index.ts'

export async function readState(home: string): Promise<PlatformState> {
  return PlatformState.parse(JSON.parse(await readFile(join(home, 'state.json'), 'utf8')))
}

export async function sendSpans(home: string, request: object): Promise<void> {
  const { ports } = await readState(home)
  const { token } = await AgentClient.connect(home)
  const response = await fetch(`http://127.0.0.1:${ports['collector']}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify(request),
  })
  if (!response.ok) throw new Error(`the collector answered ${response.status}: ${await response.text()}`)
}
