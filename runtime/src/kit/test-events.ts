/** Events that a function under test publishes: recorded, and handed to its own triggers. */
import { cloudEventProblem, HEADERS, type CloudEvent } from '../protocol/index.ts'

type Follower = (event: CloudEvent, depth: number) => void

export class TestEvents {
  readonly events: CloudEvent[] = []
  readonly #known = new Set<string>()
  #follower: Follower | undefined

  follow(follower: Follower): void {
    this.#follower = follower
  }

  /** Answers a request to `/events`, in structured or batch mode. */
  async answer(request: Request): Promise<Response> {
    request.signal.throwIfAborted()
    const given = [JSON.parse(await request.text())].flat() as CloudEvent[]
    const problem = given.map(cloudEventProblem).find(found => found !== undefined)
    if (problem !== undefined) {
      const error = { code: 'BAD_REQUEST', message: `${problem.attribute}: ${problem.message}`, requestId: '' }
      return Response.json({ error }, { status: 400 })
    }
    const fresh = given.filter(({ source, id }) => {
      const key = JSON.stringify([source, id])
      const isNew = !this.#known.has(key)
      this.#known.add(key)
      return isNew
    })
    this.events.push(...fresh)
    const depth = Number(request.headers.get(HEADERS.eventDepth) ?? 0)
    for (const event of fresh) this.#follower?.(event, depth)
    return Response.json({ accepted: fresh.length, duplicates: given.length - fresh.length }, { status: 202 })
  }
}
