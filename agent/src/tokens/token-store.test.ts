import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { hashOf } from '../access/index.ts'
import { TokenStore } from './index.ts'

async function open() {
  const home = await mkdtemp(join(tmpdir(), 'rfa-tokens-'))
  onTestFinished(() => rm(home, { recursive: true }))
  const again = async () => {
    const tokens = await TokenStore.open(home)
    onTestFinished(() => tokens.close())
    return tokens
  }
  return { path: join(home, 'tokens.json'), tokens: await again(), again }
}

const codeOf = (action: () => unknown): unknown => {
  try {
    return action()
  } catch (error) {
    return (error as { code: string }).code
  }
}

test('a token is shown once; what is kept is its hash, for nobody else to read, also after a restart', async () => {
  const { path, tokens, again } = await open()
  const { token, view } = await tokens.create({ name: 'CI', can: 'deploy', for: ['staging-*'] })
  expect(token).toMatch(/^ryotoken_[0-9A-Za-z]{46}$/)
  expect(JSON.stringify(await tokens.list())).not.toMatch(/hash|ryotoken_/)
  const text = await readFile(path, 'utf8')
  expect(text).not.toContain(token)
  expect(text).toContain(hashOf(token))
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  const restarted = await again()
  expect(restarted.identify(token)).toMatchObject({ id: view.id, name: 'CI', can: 'deploy', for: ['staging-*'] })
  expect(restarted.hashOfToken(view.id)).toBe(hashOf(token))
})

test('a revoked token opens nothing, and another of the same name goes on', async () => {
  const { tokens } = await open()
  const [first, second] = [
    await tokens.create({ name: 'Ann', can: 'read' }),
    await tokens.create({ name: 'Ann', can: 'read' }),
  ]
  await expect(tokens.revoke('Ann')).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
  await tokens.revoke(first.view.id)
  expect(codeOf(() => tokens.identify(first.token))).toBe('UNAUTHORIZED')
  expect(tokens.hashOfToken(first.view.id)).toBeUndefined()
  expect(tokens.identify(second.token)).toMatchObject({ id: second.view.id })
  await expect(tokens.revoke('Anne')).rejects.toMatchObject({ code: 'TOKEN_NOT_FOUND', hint: 'Did you mean "Ann"?' })
})

test('an expired token is told so; what has the form of none, or a wrong checksum, is not one', async () => {
  const { tokens } = await open()
  const { token } = await tokens.create({ name: 'Ann', can: 'read', expiresAt: '2030-01-01T00:00:00.000Z' })
  expect(tokens.identify(token, Date.parse('2029-12-31T23:59:59Z')).name).toBe('Ann')
  expect(() => tokens.identify(token, Date.parse('2030-01-01T00:00:00Z'))).toThrow(
    /^the token Ann \(\w{8}\) expired at 2030-01-01/,
  )
  for (const other of ['', 'ryotoken_', `${token}a`, token.slice(0, -1) + (token.endsWith('0') ? '1' : '0')]) {
    expect(codeOf(() => tokens.identify(other))).toBe('UNAUTHORIZED')
  }
})

test('the last use is listed, and written down', async () => {
  const { tokens, again } = await open()
  const { token, view } = await tokens.create({ name: 'Ann', can: 'read' })
  expect((await tokens.list())[0]!.usedAt).toBeUndefined()
  tokens.identify(token, Date.parse('2026-01-02T03:04:05Z'))
  expect(await tokens.list()).toMatchObject([{ id: view.id, usedAt: '2026-01-02T03:04:05.000Z' }])
  expect(await (await again()).list()).toMatchObject([{ usedAt: '2026-01-02T03:04:05.000Z' }])
})

test('several that are created at once are all kept; a damaged file is not taken for an empty one', async () => {
  const { path, tokens, again } = await open()
  await Promise.all(Array.from({ length: 20 }, (_, i) => tokens.create({ name: `n${i}`, can: 'read' })))
  expect(await (await again()).list()).toHaveLength(20)
  await writeFile(path, '{"format":1')
  await expect(again()).rejects.toMatchObject({ code: 'HOME_UNUSABLE' })
})
