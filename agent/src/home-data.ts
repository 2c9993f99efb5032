/** What lies in a home. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'

const OURS = [
  'state.json',
  'deployments',
  'nats',
  'store',
  'traces',
  'traces.damaged',
  'secrets',
  'cache',
  'logs',
  'run',
  'token',
  'dispatch-token',
  'callback-secret',
]

/** Everything of ours in the home, and nothing that is not. */
export async function removeData(home: string): Promise<void> {
  await Promise.all(OURS.map(name => rm(join(home, name), { recursive: true, force: true })))
}
