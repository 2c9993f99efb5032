/** A platform whose documents are in PostgreSQL, as users see it. */
import { execFileSync } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { PASSWORD, TestPostgres } from '../support/postgres.ts'
import { until } from '../support/until.ts'

const FUNCTIONS = {
  noted: {
    code: `import { store, type DocumentEvent } from '@ryo-faas/runtime'
      export const noted = async ({ id, after }: DocumentEvent<{ n: number }>) => {
        await store('answers').create({ n: after!.n * 2 }, { id })
      }`,
    options: { on: [{ table: 'notes', events: ['new-doc'] }] },
  },
}

let postgres: TestPostgres
let platform: TestPlatform
beforeAll(async () => {
  postgres = await TestPostgres.start()
  platform = await TestPlatform.make({ PGPASSWORD: PASSWORD })
})
afterAll(async () => {
  await platform.remove()
  await postgres.remove()
})

const flags = (url: string) => [
  '--engine',
  'process',
  '--port',
  '0',
  '--agent-port',
  '0',
  '--nats-port',
  '0',
  '--store-port',
  '0',
  '--store',
  url,
]

test('a database that lets nobody in is told at the start, with what to do', async () => {
  const url = postgres.url('postgres', 'admin:no-secret')
  const { code, stderr } = await platform.cli(['startFaas', '--project', platform.project, ...flags(url)])
  expect([code, stderr]).toEqual([1, expect.stringMatching(/admin@127\.0\.0\.1.*Check user and password/s)])
  expect(stderr).not.toContain('no-secret')
})

test('documents are in the database, their events start functions, and the password is nowhere to be seen', async () => {
  await platform.ok(['startFaas', '--project', platform.project, ...flags(postgres.url('postgres', 'admin'))])
  await platform.ok(['deploy', await writeProject(join(platform.home, 'project'), FUNCTIONS)])
  await platform.ok(['store', 'put', 'notes', 'a', '--data', '{"n":21}'])
  const answer = await until(async () => {
    const { code, stdout } = await platform.cli(['store', 'get', 'answers', 'a', '--json'])
    return code === 0 ? (JSON.parse(stdout) as { data: unknown }) : undefined
  })
  expect(answer.data).toEqual({ n: 42 })
  const { rows } = await postgres.sql('SELECT fields FROM ryo_faas.documents ORDER BY fields')
  expect(rows).toEqual([{ fields: { n: 21 } }, { fields: { n: 42 } }])

  const seen = [
    execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }),
    await platform.ok(['details', '--json']),
    await platform.ok(['env', '--json']),
    ...(await Promise.all(
      (await readdir(join(platform.home, 'logs'), { withFileTypes: true }))
        .filter(entry => entry.isFile())
        .map(({ name }) => readFile(join(platform.home, 'logs', name), 'utf8')),
    )),
  ]
  for (const text of seen)
    for (const secret of [PASSWORD, encodeURIComponent(PASSWORD)]) expect(text).not.toContain(secret)
})

test('a database that goes away is answered with 503 and Retry-After, and comes back by itself', async () => {
  const fetchStore = await platform.store()
  await postgres.kill()
  const write = () =>
    fetchStore('/tables/notes/docs/b', {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '{"data":{"n":4}}',
    })
  const away = await until(async () => {
    const response = await write()
    return response.status === 503 ? response : undefined
  })
  expect([away.headers.get('retry-after'), await away.json()]).toEqual([
    '1',
    { error: expect.objectContaining({ code: 'STORAGE_UNAVAILABLE' }) },
  ])
  await postgres.start()
  await until(async () => ((await write()).status === 201 ? true : undefined))
  await until(async () => ((await fetchStore('/tables/answers/docs/b')).status === 200 ? true : undefined))
})
