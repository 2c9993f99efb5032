import { RyoFaasError, type StartFrom } from '../contract/index.ts'

/** `--from`: a sequence or a time. @throws RyoFaasError INVALID_OPTION */
export function startFrom(text: string): StartFrom {
  if (/^\d+$/.test(text)) return { kind: 'sequence', sequence: Number(text) }
  const time = new Date(text)
  if (!Number.isNaN(time.getTime())) return { kind: 'time', time: time.toISOString() }
  throw new RyoFaasError('INVALID_OPTION', `--from ${text} must be a sequence number or an ISO time`, {
    hint: 'For example --from 1 or --from 2026-01-31T12:00Z',
  })
}
