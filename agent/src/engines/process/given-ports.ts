/** Ports for programs that are told where to listen: none is given twice before its program has bound it. */
import { freePort } from '../../host/index.ts'

const MOST_KEPT = 1_000

export class GivenPorts {
  /** The latest, also of programs that have not bound theirs yet, or no longer. */
  readonly #given = new Set<number>()

  /** @param known instances that have theirs */
  async next(known: readonly { port?: number | undefined }[]): Promise<number> {
    for (;;) {
      const port = await freePort()
      if (this.#given.has(port) || known.some(other => other.port === port)) continue
      this.#given.add(port)
      const [oldest] = this.#given
      if (this.#given.size > MOST_KEPT) this.#given.delete(oldest!)
      return port
    }
  }
}
