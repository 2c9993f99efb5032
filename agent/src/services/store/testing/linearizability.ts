/**
 * Whether what clients saw of one document could have come from one that is changed by one client at a time (Herlihy and
 * Wing): there is an order of the operations in which each takes effect between its call and its answer, and every answer
 * is right. Exhaustive, after Wing and Gong, with Lowe's memory of what was tried.
 */

export interface Operation<Input, Output> {
  /** Of one clock. */
  calledAt: number
  /** `Infinity` without an answer: it took effect at any time since it was called, or never. */
  answeredAt: number
  input: Input
  /** Absent without an answer. */
  output?: Output
}

export interface Model<State, Input, Output> {
  initial: State
  /** The state after it; `undefined` if it cannot have this answer, or without one would change nothing. */
  step(state: State, input: Input, output: Output | undefined): State | undefined
  /** Whether neither this state nor one that follows can give this answer. */
  isLost(state: State, input: Input, output: Output): boolean
  /** Equal for equal states. */
  keyOf(state: State): string
}

/** Beyond it a history is too confused to be judged. */
const MOST_TRIED = 2_000_000

interface Point<State> {
  state: State
  /** All operations before this one have taken effect or never will; those behind it which have. */
  first: number
  ahead: ReadonlySet<number>
}

export function isLinearizable<State, Input, Output>(
  history: readonly Operation<Input, Output>[],
  model: Model<State, Input, Output>,
): boolean {
  const operations = history.toSorted((one, other) => one.calledAt - other.calledAt)
  const isAnswered = operations.map(({ answeredAt }) => answeredAt !== Infinity)
  const lastAnswered = isAnswered.lastIndexOf(true)
  const tried = new Set<string>()
  const points: Point<State>[] = [{ state: model.initial, first: 0, ahead: new Set() }]
  for (let point = points.pop(); point !== undefined; point = points.pop()) {
    const { state, first, ahead } = point
    const open = openAt(operations, point, lastAnswered)
    const answered = open.filter(at => isAnswered[at])
    if (answered.length === 0) return true
    if (answered.some(at => model.isLost(state, operations[at]!.input, operations[at]!.output!))) continue
    // What is right now and changes nothing can be put here, whatever follows.
    const idle = answered.find(at => {
      const next = model.step(state, operations[at]!.input, operations[at]!.output)
      return next !== undefined && model.keyOf(next) === model.keyOf(state)
    })
    for (const at of idle === undefined ? open : [idle]) {
      const { input, output } = operations[at]!
      const next = model.step(state, input, output)
      if (next === undefined) continue
      const moved = moveOn(first, new Set(ahead).add(at))
      const key = `${moved.first} ${[...moved.ahead].sort((one, other) => one - other).join()} ${model.keyOf(next)}`
      if (tried.has(key)) continue
      tried.add(key)
      if (tried.size > MOST_TRIED) throw new Error('there are too many orders of these operations')
      points.push({ state: next, ...moved })
    }
  }
  return false
}

/** What may take effect next: nothing that was called after another one was answered that has not taken effect. */
function openAt<Input, Output>(
  operations: readonly Operation<Input, Output>[],
  { first, ahead }: Pick<Point<unknown>, 'first' | 'ahead'>,
  last: number,
): number[] {
  const open: number[] = []
  let firstAnswer = Infinity
  for (let at = first; at <= last; at += 1) {
    if (ahead.has(at)) continue
    const { calledAt, answeredAt } = operations[at]!
    if (calledAt > firstAnswer) break
    open.push(at)
    firstAnswer = Math.min(firstAnswer, answeredAt)
  }
  return open
}

function moveOn(first: number, ahead: Set<number>): { first: number; ahead: Set<number> } {
  let next = first
  while (ahead.delete(next)) next += 1
  return { first: next, ahead }
}
