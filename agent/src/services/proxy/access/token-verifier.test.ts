import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import { expect, onTestFinished, test } from 'vitest'
import type { JwtRule } from '../../../contract/index.ts'
import { TokenVerifier, type VerifierOptions } from './token-verifier.ts'

const ISSUER = 'https://id.example'
const SECRET = 'a secret of at least thirty-two bytes'
const START_S = 1_800_000_000

/** An issuer whose keys are served, and counted, at an address of loopback. */
async function issuer(listener?: RequestListener) {
  const keys: JWK[] = []
  let asked = 0
  let isDown = false
  const server = createServer((request, response) => {
    asked += 1
    if (isDown) response.writeHead(503).end()
    else if (listener !== undefined) listener(request, response)
    else response.end(JSON.stringify({ keys }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
    keys,
    get asked() {
      return asked
    },
    set isDown(value: boolean) {
      isDown = value
    },
    async addKey(kid: string | undefined, alg: string): Promise<CryptoKey> {
      const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
      keys.push({ ...(await exportJWK(publicKey)), alg, ...(kid !== undefined && { kid }) })
      return privateKey
    },
  }
}

interface TokenOptions {
  alg: string
  kid?: string
  claims?: Record<string, unknown>
  /** Seconds after the start. */
  endsAt?: number | null
}

function tokenOf(key: CryptoKey | Uint8Array, { alg, kid, claims = {}, endsAt = 300 }: TokenOptions): Promise<string> {
  const token = new SignJWT({ iss: ISSUER, aud: 'shop', sub: 'ann', ...claims })
  token.setProtectedHeader({ alg, ...(kid !== undefined && { kid }) })
  if (endsAt !== null) token.setExpirationTime(START_S + endsAt)
  return token.sign(key)
}

function verifier(rule: Partial<JwtRule>, options: VerifierOptions & { secret?: string } = {}) {
  const clock = { s: START_S }
  const { secret, ...more } = options
  const whole: JwtRule = { issuer: ISSUER, audience: 'shop', clockSkewSeconds: 30, ...rule }
  return { clock, tokens: new TokenVerifier(whole, secret, { now: () => clock.s * 1_000, ...more }) }
}

const ANN = { kind: 'known', caller: { kind: 'jwt', issuer: ISSUER, subject: 'ann' } }
const HS256 = new TextEncoder().encode(SECRET)

test.each(['RS256', 'ES256', 'EdDSA'])('a token of %s is taken, and then costs no promise', async alg => {
  const id = await issuer()
  const key = await id.addKey('one', alg)
  const { tokens } = verifier({ jwks: id.url })
  const token = await tokenOf(key, { alg, kid: 'one' })
  expect(await Promise.all([tokens.verify(token), tokens.verify(token)])).toEqual([ANN, ANN])
  expect(tokens.verify(token)).toEqual(ANN)
  expect(id.asked).toBe(1)
})

test('a token of HS256 is taken with the secret', async () => {
  const { tokens } = verifier({ secret: 'HS' }, { secret: SECRET })
  const token = await tokenOf(HS256, { alg: 'HS256' })
  expect(await tokens.verify(token)).toEqual(ANN)
  const other = await tokenOf(new TextEncoder().encode(SECRET.replace('a', 'b')), { alg: 'HS256' })
  expect(await tokens.verify(other)).toMatchObject({ kind: 'unknown' })
  expect(await verifier({ secret: 'HS' }).tokens.verify(token)).toMatchObject({ kind: 'undecided' })
})

test('what the rule does not name is refused', async () => {
  const id = await issuer()
  const key = await id.addKey('one', 'ES256')
  const { tokens } = verifier({ jwks: id.url, audience: ['shop', 'till'] })
  const refused = async (options: Partial<TokenOptions>, signer: CryptoKey = key) =>
    (await tokens.verify(await tokenOf(signer, { alg: 'ES256', kid: 'one', ...options }))).kind
  expect(await refused({ claims: { aud: ['till', 'x'] } })).toBe('known')
  expect(await refused({ claims: { aud: 'other' } })).toBe('unknown')
  expect(await refused({ claims: { iss: 'https://evil.example' } })).toBe('unknown')
  expect(await refused({ endsAt: null })).toBe('unknown')
  expect(await refused({ claims: { nbf: START_S + 31 } })).toBe('unknown')
  expect(await refused({}, (await generateKeyPair('ES256')).privateKey)).toBe('unknown')
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { iss: ISSUER, aud: 'shop', sub: 'ann', exp: START_S + 300 }
  for (const token of [`${part({ alg: 'none' })}.${part(claims)}.`, 'a.b.c', `${'x'.repeat(9_000)}.b.c`]) {
    expect(await tokens.verify(token)).toMatchObject({ kind: 'unknown' })
  }
})

test('the public keys of the issuer are not a secret to sign with', async () => {
  const id = await issuer()
  await id.addKey('one', 'RS256')
  id.keys.push({ kty: 'oct', kid: 'two', alg: 'HS256', k: Buffer.from(SECRET).toString('base64url') })
  const { tokens } = verifier({ jwks: id.url })
  expect(await tokens.verify(await tokenOf(HS256, { alg: 'HS256', kid: 'two' }))).toMatchObject({ kind: 'unknown' })
})

test('a token holds as long as it says, and the skew of the clock', async () => {
  const id = await issuer()
  const key = await id.addKey('one', 'ES256')
  const { clock, tokens } = verifier({ jwks: id.url })
  const token = await tokenOf(key, { alg: 'ES256', kid: 'one', endsAt: 40 })
  expect(await tokens.verify(token)).toEqual(ANN)
  clock.s = START_S + 69
  expect(await tokens.verify(token)).toEqual(ANN)
  clock.s = START_S + 70
  expect(await tokens.verify(token)).toMatchObject({ kind: 'unknown' })
})

test('keys rotate: a new one is found by its kid, and unknown ones ask once', async () => {
  const id = await issuer()
  const first = await id.addKey('one', 'ES256')
  const { tokens } = verifier({ jwks: id.url }, { cooldownMs: 0 })
  expect(await tokens.verify(await tokenOf(first, { alg: 'ES256', kid: 'one' }))).toEqual(ANN)
  id.keys.length = 0
  const second = await id.addKey('two', 'ES256')
  expect(await tokens.verify(await tokenOf(second, { alg: 'ES256', kid: 'two' }))).toEqual(ANN)
  expect(id.asked).toBe(2)
  // The first is gone.
  const old = await tokenOf(first, { alg: 'ES256', kid: 'one', claims: { sub: 'bob' } })
  expect(await tokens.verify(old)).toMatchObject({ kind: 'unknown' })
  const calm = verifier({ jwks: id.url }, { cooldownMs: 60_000 }).tokens
  const before = id.asked
  for (let i = 0; i < 5; i += 1) {
    const unknown = await tokenOf(second, { alg: 'ES256', kid: `unknown-${i}` })
    expect(await calm.verify(unknown)).toMatchObject({ kind: 'unknown' })
  }
  expect(id.asked).toBe(before + 1)
})

test('a token that does not name its key is tried with each', async () => {
  const id = await issuer()
  await id.addKey(undefined, 'ES256')
  const second = await id.addKey(undefined, 'ES256')
  const { tokens } = verifier({ jwks: id.url })
  expect(await tokens.verify(await tokenOf(second, { alg: 'ES256' }))).toEqual(ANN)
  const stranger = (await generateKeyPair('ES256')).privateKey
  expect(await tokens.verify(await tokenOf(stranger, { alg: 'ES256' }))).toMatchObject({ kind: 'unknown' })
})

test('while the issuer is down its last keys hold; without any nobody is let in, and it is not asked all the time', async () => {
  const id = await issuer()
  const key = await id.addKey('one', 'ES256')
  const token = (sub: string) => tokenOf(key, { alg: 'ES256', kid: 'one', claims: { sub } })
  const problems: string[] = []
  const { tokens } = verifier({ jwks: id.url }, { freshMs: 0, cooldownMs: 60_000, report: each => problems.push(each) })
  expect(await tokens.verify(await token('ann'))).toEqual(ANN)
  id.isDown = true
  expect(await tokens.verify(await token('bob'))).toMatchObject({ kind: 'known' })
  expect(problems).toEqual([expect.stringContaining('answered 503')])
  const { tokens: others } = verifier({ jwks: id.url }, { cooldownMs: 60_000 })
  const before = id.asked
  for (const sub of ['a', 'b', 'c']) {
    expect(await others.verify(await token(sub))).toMatchObject({ kind: 'undecided' })
  }
  expect(id.asked).toBe(before + 1)
})

test('an answer of the issuer is bounded, and a redirect is not followed', async () => {
  const other = await issuer()
  const key = await other.addKey('one', 'ES256')
  const token = await tokenOf(key, { alg: 'ES256', kid: 'one' })
  const large = await issuer((_request, response) => void response.end(' '.repeat(2 * 1024 * 1024)))
  expect(await verifier({ jwks: large.url }).tokens.verify(token)).toMatchObject({ kind: 'undecided' })
  const leading = await issuer((_request, response) => {
    response.writeHead(302, { location: other.url }).end()
  })
  expect(await verifier({ jwks: leading.url }).tokens.verify(token)).toMatchObject({ kind: 'undecided' })
  expect(other.asked).toBe(0)
})

test('keys are never fetched from a link-local or metadata address', async () => {
  const token = await tokenOf(HS256, { alg: 'HS256' })
  for (const host of ['169.254.169.254', '[fd00:ec2::254]', '2852039166', '[::ffff:169.254.169.254]']) {
    const problems: string[] = []
    const { tokens } = verifier({ jwks: `https://${host}/jwks` }, { report: each => problems.push(each) })
    const rs = token.replace(/^[^.]+/, Buffer.from('{"alg":"RS256"}').toString('base64url'))
    expect(await tokens.verify(rs)).toMatchObject({ kind: 'undecided' })
    expect(problems).toEqual([expect.stringContaining('never sent')])
  }
})
