/** The agent's questions to the store. */
import { z } from 'zod'
import { type Door, StoreClient } from '../client/index.ts'
import { RyoFaasError, type StartFrom } from '../contract/index.ts'

const Bounds = z.object({ last: z.int() })
const ASK_MS = 5_000

/**
 * The position of the next change.
 * @throws RyoFaasError STORE_UNAVAILABLE
 */
export async function nextChange(store: Door): Promise<StartFrom> {
  try {
    const response = await new StoreClient(store, AbortSignal.timeout(ASK_MS)).send('GET', '/log')
    const { last } = Bounds.parse(await response.json())
    return { kind: 'sequence', sequence: last + 1 }
  } catch (error) {
    throw new RyoFaasError('STORE_UNAVAILABLE', 'could not read the log position of the store', {
      hint: 'ryo-faas details shows the state of the store; try again in a moment.',
      cause: error,
    })
  }
}
