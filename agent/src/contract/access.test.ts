import { expect, it } from 'vitest'
import { answerProof, isProof, newNonce, proofIn, proofOf, PROOF_PATH } from './access.ts'

it('a proof is valid for one token, nonce and port', () => {
  const challenge = { nonce: newNonce(), port: 9998 }
  const proof = proofOf('token', challenge)
  expect(isProof('token', challenge, proof)).toBe(true)
  expect(isProof('other', challenge, proof)).toBe(false)
  expect(isProof('token', { ...challenge, nonce: newNonce() }, proof)).toBe(false)
  expect(isProof('token', { ...challenge, port: 9999 }, proof)).toBe(false)
  expect(isProof('token', challenge, '')).toBe(false)
})

it('only one well-formed nonce is answered', () => {
  const ask = (query: string) => answerProof('token', { url: `${PROOF_PATH}?${query}`, port: 9998 })
  const nonce = newNonce()
  expect(proofIn(ask(`nonce=${nonce}`)!)).toBe(proofOf('token', { nonce, port: 9998 }))
  for (const wrong of ['', 'ab', 'x'.repeat(32), 'a'.repeat(129)]) expect(ask(`nonce=${wrong}`)).toBeUndefined()
  expect(ask('')).toBeUndefined()
  expect(ask(`nonce=${nonce}&nonce=${nonce}`)).toBeUndefined()
})

it.each(['', 'no JSON', 'null', '{}', '{"proof":1}'])('%j is no proof', text => {
  expect(proofIn(text)).toBeUndefined()
})
