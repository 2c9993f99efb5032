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
