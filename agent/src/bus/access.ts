/** How a server is reached, as processes of the platform are told it, and as users write it. */
import { z } from 'zod'

const text = z.string().min(1)

export const BusAccess = z.strictObject({
  /** `nats://host:port`, or several, separated by commas: members of one cluster. */
  url: text,
  user: z.string().optional(),
  password: z.string().optional(),
  /** In place of user and password. */
  token: text.optional(),
  /** In place of user and password: the contents of a .creds file. */
  credentials: text.optional(),
  /** Present: only over TLS. PEM. */
  tls: z.strictObject({ ca: text.optional(), cert: text.optional(), key: text.optional() }).optional(),
  /** The server is shared by several platforms, and this is ours: see `names.ts`. */
  project: text.optional(),
})
export type BusAccess = z.infer<typeof BusAccess>

/** What the URLs of a server say. */
export interface ServerUrls {
  /** Without user and password. */
  access: Pick<BusAccess, 'url' | 'user' | 'password' | 'token'>
  isSecure: boolean
}

/**
 * Reads `nats://user:password@host:4222` or `tls://token@host`, or several, separated by commas; user, password and
 * token are those of the first.
 * @returns undefined if it is none
 */
export function readServerUrls(given: string): ServerUrls | undefined {
  const urls: URL[] = []
  for (const each of given.split(',')) {
    const url = URL.canParse(each.trim()) ? new URL(each.trim()) : undefined
    if (url === undefined || !['nats:', 'tls:'].includes(url.protocol) || url.hostname === '') return undefined
    urls.push(url)
  }
  const [first] = urls as [URL]
  const [user, password] = [decodeURIComponent(first.username), decodeURIComponent(first.password)]
  return {
    access: {
      url: urls.map(({ host }) => `nats://${host}`).join(','),
      // A name alone is a token, as for the tools of NATS.
      ...(user !== '' && (first.password === '' ? { token: user } : { user, password })),
    },
    isSecure: urls.some(({ protocol }) => protocol === 'tls:'),
  }
}
