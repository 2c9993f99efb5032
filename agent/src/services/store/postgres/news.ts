/**
 * News of commits: of this process at once, of others by NOTIFY, which may get lost: nobody relies on it, and everybody
 * looks again after a while.
 */
import { CommitNews } from '../documents/index.ts'
import { type Client, Link } from './database.ts'
import { CHANNEL } from './names.ts'
import { LAST_SEQUENCE } from './writer.ts'

/** For so long nobody may hear of a commit of another process whose notice got lost. */
const LOOK_MS = 1_000

export class News {
  readonly #link: Link
  readonly #commits: CommitNews
  readonly #looking: NodeJS.Timeout
  #isLooking = false

  constructor(url: string, last: number) {
    this.#commits = new CommitNews(last)
    this.#link = new Link({ url, onConnect: client => this.#listen(client) })
    this.#looking = setInterval(() => void this.#look(), LOOK_MS)
    this.#looking.unref()
    void this.#look()
  }

  /** Never goes back: what is told late is old. */
  tell(last: number): void {
    if (last > this.#commits.last) this.#commits.tell(last)
  }

  above(sequence: number, signal: AbortSignal): Promise<void> {
    return this.#commits.above(sequence, signal)
  }

  async close(): Promise<void> {
    clearInterval(this.#looking)
    await this.#link.close()
  }

  async #listen(client: Client): Promise<void> {
    client.on('notification', () => void this.#look())
    await client.query(`LISTEN ${CHANNEL}`)
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    try {
      const [row] = await this.#link.query<{ sequence: string }>({ text: LAST_SEQUENCE })
      this.tell(Number(row!.sequence))
    } catch {
      // It is away; the next time will do.
    } finally {
      this.#isLooking = false
    }
  }
}
