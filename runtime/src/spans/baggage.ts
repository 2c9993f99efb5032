/** W3C Baggage (https://www.w3.org/TR/baggage/): a header of `key=value;property` members, values percent-encoded. */
import type * as Api from '@opentelemetry/api'

/** The standard allows dropping what exceeds this. */
const MAX_LENGTH = 8_192
const MAX_MEMBERS = 64

/** Malformed members are left out. */
export function parseBaggage(
  api: Pick<typeof Api, 'propagation' | 'baggageEntryMetadataFromString'>,
  header: string,
): Api.Baggage {
  const entries: Record<string, Api.BaggageEntry> = {}
  for (const member of header.slice(0, MAX_LENGTH).split(',').slice(0, MAX_MEMBERS)) {
    const [pair = '', ...properties] = member.split(';')
    const at = pair.indexOf('=')
    const key = pair.slice(0, at).trim()
    const value = decoded(pair.slice(at + 1).trim())
    if (at < 1 || key === '' || value === undefined) continue
    const metadata = properties.join(';').trim()
    entries[key] = {
      value,
      ...(metadata !== '' && { metadata: api.baggageEntryMetadataFromString(metadata) }),
    }
  }
  return api.propagation.createBaggage(entries)
}

/** Empty if there are no entries. */
export function formatBaggage(baggage: Api.Baggage | undefined): string {
  const members = (baggage?.getAllEntries() ?? []).map(([key, { value, metadata }]) => {
    const properties = metadata?.toString() ?? ''
    return `${key}=${encodeURIComponent(value)}${properties === '' ? '' : `;${properties}`}`
  })
  let text = ''
  for (const member of members.slice(0, MAX_MEMBERS)) {
    if (text.length + member.length >= MAX_LENGTH) break
    text += text === '' ? member : `,${member}`
  }
  return text
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
