/** What lies in a home. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'

/** Everything of ours in the home, and nothing that is not. */
export async function removeData(home: string): Promise<void> {
  const ours = [
    'state.json',
    'deployments',
    'nats',
    'store',
    'secrets',
    'cache',
    'logs',
    'run',
    'token',
    'dispatch-token',
    'callback-secret',
  ]
  await Promise.all(ours.map(name => rm(join(home, name), { recursive: true, force: true })))
}
