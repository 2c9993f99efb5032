/**
 * What was done to the platform through its API: who, what, from where, and with what outcome. A file of JSON lines in the
 * home, one when the action begins and one when it ends.
 *
 * Invariants: 1. An action begins only when its line is on disk: nothing is done that is not written down. 2. The file has
 * at most `MOST_BYTES`; then its older half goes. 3. No value of a secret, no key and no body of a request is in it.
 */
import { constants, open } from 'node:fs/promises'
import { z } from 'zod'
import type { AuditView } from '../contract/index.ts'
import { boundFile, KeyedQueue, readIfPresent } from '../host/index.ts'

const MOST_BYTES = 4 * 1024 * 1024

const Begun = z.object({
  id: z.string(),
  time: z.string(),
  action: z.string(),
  target: z.string().optional(),
  who: z.string(),
  from: z.string(),
})
type Begun = z.infer<typeof Begun>
const Ended = z.object({ id: z.string(), outcome: z.string() })
const Line = z.union([Begun, Ended])

export class AuditLog {
  readonly #path: string
  readonly #queue = new KeyedQueue()

  constructor(path: string) {
    this.#path = path
  }

  begin(action: Begun): Promise<void> {
    return this.#append(action, 'a')
  }

  end(id: string, outcome: string): Promise<void> {
    // Not created: the action may have been to remove the home.
    return this.#append({ id, outcome }, constants.O_WRONLY | constants.O_APPEND)
  }

  /** Newest first. */
  async read({ since, limit }: { since?: string | undefined; limit: number }): Promise<AuditView[]> {
    const lines = ((await readIfPresent(this.#path)) ?? '').split('\n').flatMap(text => parsed(text))
    const outcomes = new Map(lines.flatMap(line => ('outcome' in line ? [[line.id, line.outcome] as const] : [])))
    const begun = lines.flatMap(line => ('outcome' in line ? [] : [line]))
    const wanted = since === undefined ? begun : begun.filter(({ time }) => Date.parse(time) >= Date.parse(since))
    return wanted
      .slice(-limit)
      .reverse()
      .map(({ id, ...action }) => {
        const outcome = outcomes.get(id)
        return { ...action, ...(outcome !== undefined && { outcome }) }
      })
  }

  #append(line: z.infer<typeof Line>, flags: string | number): Promise<void> {
    return this.#queue.run(this.#path, async () => {
      const file = await open(this.#path, flags, 0o600)
      try {
        await file.appendFile(`${JSON.stringify(line)}\n`)
        await file.datasync()
      } finally {
        await file.close()
      }
      await boundFile(this.#path, MOST_BYTES)
    })
  }
}

/** Nothing for a line that was cut off by a power loss. */
function parsed(text: string): z.infer<typeof Line>[] {
  try {
    const { data } = Line.safeParse(JSON.parse(text))
    return data === undefined ? [] : [data]
  } catch {
    return []
  }
}
