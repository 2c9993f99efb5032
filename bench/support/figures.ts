/**
 * How to measure on a machine that is never quiet: candidates take turns, so that a busy moment hits all of them; a
 * result is the median of a candidate's turns; a ratio is the median of the ratios within one round.
 */

/** Every candidate once per round; each round starts with another one. Returns one list per candidate, in order. */
export async function takeTurns<Candidate, Result>(
  candidates: readonly Candidate[],
  rounds: number,
  measure: (candidate: Candidate, round: number) => Promise<Result>,
): Promise<Result[][]> {
  const results: Result[][] = candidates.map(() => [])
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < candidates.length; turn += 1) {
      const index = (round + turn) % candidates.length
      results[index]!.push(await measure(candidates[index]!, round))
    }
  }
  return results
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** @param share 0 to 1; interpolates between two values */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const place = share * (sorted.length - 1)
  const below = sorted[Math.floor(place)] ?? Number.NaN
  const above = sorted[Math.ceil(place)] ?? Number.NaN
  return below + (above - below) * (place - Math.floor(place))
}

/** The median over the rounds of `values` as a multiple of `reference`. */
export function ratio(values: readonly number[], reference: readonly number[]): number {
  return median(values.map((value, round) => value / reference[round]!))
}
