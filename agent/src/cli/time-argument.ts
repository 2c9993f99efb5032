import { RyoFaasError } from '../contract/index.ts'

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * `10m` (that long ago) or an ISO time, as an ISO time.
 * @param flag named in the error.
 * @throws RyoFaasError INVALID_OPTION
 */
export function timeFrom(flag: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const match = /^(\d+)([smhd])$/.exec(text)
  const time = match ? Date.now() - Number(match[1]) * UNITS[match[2] as keyof typeof UNITS] : Date.parse(text)
  if (Number.isNaN(time))
    throw new RyoFaasError('INVALID_OPTION', `${flag} ${text} must be a duration (10m) or an ISO time`)
  return new Date(time).toISOString()
}

const LASTING = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 } as const

/**
 * `90d` from now on, as an ISO time.
 * @throws RyoFaasError INVALID_OPTION
 */
export function endOf(text: string, now: number): string {
  const [, count, unit] = /^([1-9]\d{0,4})([hdw])$/.exec(text) ?? []
  if (count === undefined)
    throw new RyoFaasError('INVALID_OPTION', `--expires "${text}" must be a time like 12h, 90d or 52w`)
  return new Date(now + Number(count) * LASTING[unit as keyof typeof LASTING]).toISOString()
}
