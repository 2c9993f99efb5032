import { expect, it } from 'vitest'
import { isProof, newNonce, proofOf, ProofQuery } from './access.ts'

it('a proof is valid for one token, nonce and port', () => {
  const challenge = { nonce: newNonce(), port: 9998 }
  const proof = proofOf('token', challenge)
  expect(isProof('token', challenge, proof)).toBe(true)
  expect(isProof('other', challenge, proof)).toBe(false)
  expect(isProof('token', { ...challenge, nonce: newNonce() }, proof)).toBe(false)
  expect(isProof('token', { ...challenge, port: 9999 }, proof)).toBe(false)
  expect(isProof('token', challenge, '')).toBe(false)
})

it('only well-formed nonces are accepted', () => {
  expect(ProofQuery.safeParse({ nonce: newNonce() }).success).toBe(true)
  for (const nonce of ['', 'ab', 'x'.repeat(32), 'a'.repeat(129)]) {
    expect(ProofQuery.safeParse({ nonce }).success).toBe(false)
  }
})
