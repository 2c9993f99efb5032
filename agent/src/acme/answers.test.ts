import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { withAnswer, type ChallengeAnswer } from './answers.ts'

let folder: string
let answers: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-answers-'))
  answers = join(folder, 'answers')
  await mkdir(answers)
})
afterEach(() => rm(folder, { recursive: true }))

const answer = { kind: 'http-01', token: 'a-token_1', domain: 'shop.test', content: 'proof' } satisfies ChallengeAnswer

test('an answer is there while the authority looks, also if that fails', async () => {
  const look = async () => [await readdir(answers), await readFile(join(answers, answer.token), 'utf8')]
  expect(await withAnswer(answers, answer, look)).toEqual([['a-token_1'], 'proof'])
  await expect(withAnswer(answers, answer, () => Promise.reject(new Error('refused')))).rejects.toThrow('refused')
  expect(await readdir(answers)).toEqual([])
})

test.each<Partial<ChallengeAnswer>>([
  { token: '../out' },
  { token: '' },
  { kind: 'tls-alpn-01', domain: '../out' },
  { kind: 'tls-alpn-01', domain: 'a/b' },
])('what an authority sends leads to no other file: %o', async changes => {
  await expect(withAnswer(answers, { ...answer, ...changes }, async () => 'looked')).rejects.toThrow(/that is none/)
  expect([await readdir(folder), await readdir(answers)]).toEqual([['answers'], []])
})
