/** Releases of ryo-faas, as semantic versions (https://semver.org). */

/** Below 0 if `a` is older; what comes before a release, such as `1.0.0-beta.1`, is older than it. */
export function compareVersions(a: string, b: string): number {
  const [one, other] = [partsOf(a), partsOf(b)]
  const numbers = compareNumbers(one.numbers, other.numbers)
  if (numbers !== 0 || one.before === other.before) return numbers
  if (one.before === '' || other.before === '') return one.before === '' ? 1 : -1
  return one.before.localeCompare(other.before, 'en', { numeric: true })
}

/** Below 0 if `a` comes first. */
export function compareNumbers(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((number, index) => number !== b[index])
  return at < 0 ? 0 : a[at]! - (b[at] ?? 0)
}

function partsOf(version: string): { numbers: number[]; before: string } {
  const [numbers = '', ...before] = version.split('+')[0]!.split('-')
  return { numbers: numbers.split('.').map(Number), before: before.join('-') }
}
