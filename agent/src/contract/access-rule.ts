/** Who may call a function, and how often: what deploy.json says about it, next to the handler. */
import { z } from 'zod'
import { HttpMethod } from './url-route.ts'

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const ORIGIN = /^https?:\/\/[a-z0-9.[\]:_-]+$/
const DOMAIN = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/
const RATE = /^([1-9]\d{0,8})\/([smhd])$/
const PERIOD_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Keys that are fetched over plain HTTP could be anybody's, unless they come from this machine or a private name. */
function isKeySetUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username } = new URL(text)
  if (username !== '') return false
  return (
    protocol === 'https:' ||
    (protocol === 'http:' && (/^(127\.[\d.]+|\[::1\])$/.test(hostname) || !/[.:]/.test(hostname)))
  )
}

export const JwtRule = z
  .strictObject({
    issuer: z.string().min(1).describe('The "iss" of its tokens.'),
    audience: z
      .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
      .describe('The "aud" that a token must name; one of them, if there are several.'),
    jwks: z
      .string()
      .max(2_000)
      .refine(isKeySetUrl, 'must be an https URL (http only on this machine)')
      .optional()
      .describe('URL of its public keys (JWKS): RS256, ES256 and EdDSA.'),
    secret: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
      .optional()
      .describe('Name of the secret that it signs with, in place of jwks: HS256.'),
    clockSkewSeconds: z.int().min(0).max(600).default(30).describe('How far its clock may be off.'),
  })
  .refine(({ jwks, secret }) => (jwks === undefined) !== (secret === undefined), 'must have either "jwks" or "secret"')
export type JwtRule = z.infer<typeof JwtRule>

export const AccessRule = z.union([z.enum(['public', 'private', 'key']), z.strictObject({ jwt: JwtRule })], {
  error: 'must be "public", "private", "key" or { "jwt": { … } }',
})
export type AccessRule = z.infer<typeof AccessRule>

export const Cors = z
  .strictObject({
    origins: z
      .union([
        z.literal('*'),
        z.array(z.string().regex(ORIGIN, 'must be an origin such as https://app.example.com')).min(1),
      ])
      .describe('Origins whose pages may read the answers; "*": all.'),
    methods: z.array(HttpMethod).min(1).optional().describe('Default: those that the function answers.'),
    headers: z
      .array(z.string().regex(HEADER_NAME, 'must be the name of a header'))
      .optional()
      .describe('Request headers that pages may set; default: all.'),
    exposeHeaders: z
      .array(z.string().regex(HEADER_NAME, 'must be the name of a header'))
      .default([])
      .describe('Response headers that pages may read, in addition to those of the platform.'),
    credentials: z.boolean().default(false).describe('Pages may send cookies.'),
    maxAgeSeconds: z.int().min(0).max(86_400).default(600).describe('How long a browser remembers this.'),
  })
  .refine(
    ({ origins, credentials }) => !(credentials && origins === '*'),
    'must name its origins if it has credentials: "*" would let every page act as its visitor',
  )
export type Cors = z.infer<typeof Cors>

export const Rate = z.string().regex(RATE, 'must be a number of calls per s, m, h or d, such as 100/s')

/** Calls within any period of that length. */
export const RateLimit = z.object({ calls: z.int().min(1), periodMs: z.int().min(1) })
export type RateLimit = z.infer<typeof RateLimit>

/** @param rate a `Rate` */
export function rateLimitOf(rate: string): RateLimit {
  const [, calls, unit] = RATE.exec(rate)!
  return { calls: Number(calls), periodMs: PERIOD_MS[unit as keyof typeof PERIOD_MS] }
}

export const Domain = z.string().regex(DOMAIN, 'must be the name of a host in lower case, such as api.example.com')
