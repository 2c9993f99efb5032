/** What the agent asks the store. */
import { z } from 'zod'
import { RyoFaasError, type StartFrom } from './contract/index.ts'

const Bounds = z.object({ last: z.int() })
const ASK_MS = 5_000

/**
 * The first change that is still to come.
 * @throws RyoFaasError STORE_UNAVAILABLE
 */
export async function nextChange({ url, token }: { url: string; token: string }): Promise<StartFrom> {
  try {
    const response = await fetch(`${url}/log`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(ASK_MS),
    })
    const { last } = Bounds.parse(await response.json())
    return { kind: 'sequence', sequence: last + 1 }
  } catch (error) {
    throw new RyoFaasError('STORE_UNAVAILABLE', 'could not read the store’s log position', {
      hint: 'ryo-faas details shows the state of the store; try again in a moment.',
      cause: error,
    })
  }
}
