/** Store, triggers and services as users see them, on a whole platform. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EXAMPLES, TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { invoiced, pay, printed, SHOP } from './shop.ts'

const WATCH = { on: [{ table: 'watched', events: ['new-doc', 'updated-doc'] }] }
const FUNCTIONS = {
  watch: {
    code: `import type { DocumentEvent } from '@ryo-faas/runtime'
      export const watch = (event: DocumentEvent<{ n: number }>) => console.log('saw', event.id, event.after?.n)`,
    options: WATCH,
  },
  loop: {
    code: `import { store, type DocumentEvent } from '@ryo-faas/runtime'
      export const loop = async ({ id, after }: DocumentEvent<{ n: number }>) => {
        await store<{ n: number }>('looped').update(id, { n: after!.n + 1 })
      }`,
    options: { on: [{ table: 'looped', events: ['new-doc', 'updated-doc'] }] },
  },
  desk: {
    code: `import type { Service } from '@ryo-faas/runtime'
      import { store } from '@ryo-faas/runtime'
      export const main = (service: Service) => service
        .onStart(async () => { await store('starts').create({ at: 'start' }) })
        .http('/now', () => new Response('now'))
        .async('/later', () => new Response('later'))`,
    options: { mainProcess: true },
  },
}

let platform: TestPlatform
let project: string
beforeAll(async () => {
  platform = await TestPlatform.make()
  await platform.start('process')
  project = await writeProject(join(platform.home, 'project'), FUNCTIONS)
  await platform.ok(['deploy', project])
})
afterAll(() => platform.remove())

async function json<T>(args: string[], input = ''): Promise<T> {
  return JSON.parse(await platform.ok([...args, '--json'], { input })) as T
}

async function logsOf(name: string): Promise<string> {
  return platform.ok(['logs', name])
}

test('the shop as one service: a payment leads to invoice, update and e-mail, in this order', async () => {
  await platform.ok(['deploy', SHOP])
  const id = await pay(platform, 'database-events/pay', 'Ada')
  expect(await invoiced(platform, id)).toMatchObject({ version: 2, data: { customer: 'Ada', invoice: id } })
  const lines = await printed(platform, 'Database-events', { id, lines: 4 })
  expect(lines.map(line => line.split(' ')[0])).toEqual(['pay', 'invoice', 'update', 'e-mail'])
  // A call ends a moment after its handler has printed.
  await expect
    .poll(async () => {
      const { calls } = await json<{ calls: { status: string }[] }>(['calls', '--function', 'Database-events'])
      return calls.map(({ status }) => status)
    })
    .toEqual(['succeeded', 'succeeded', 'succeeded'])
})

test('three instances of a service share its events: each runs once', async () => {
  await platform.ok(['deploy', SHOP])
  await platform.ok(['scale', 'Database-events', '3'])
  const ids = await Promise.all(
    Array.from({ length: 12 }, (_, index) => pay(platform, 'database-events/pay', `c${index}`)),
  )
  for (const id of ids) {
    await invoiced(platform, id)
    const lines = await printed(platform, 'Database-events', { id, lines: 4 })
    expect(lines.map(line => line.split(' ')[0]).sort()).toEqual(['e-mail', 'invoice', 'pay', 'update'])
  }
  await platform.ok(['stop', 'Database-events'])
})

test('the shop as four deployments', async () => {
  await platform.ok(['deploy', join(SHOP, 'deploy.separate.json')])
  const id = await pay(platform, 'pay', 'Grace')
  await invoiced(platform, id)
  expect(await printed(platform, 'Email', { id, lines: 1 })).toEqual([expect.stringContaining('Dear Grace')])
  // A trigger serves no requests.
  expect(await platform.cli(['invoke', 'Email'])).toMatchObject({ code: 1 })
})

test('roles in a table decide, and a changed role counts at once', async () => {
  const acl = join(EXAMPLES, 'acl')
  await platform.ok(['store', 'import', 'roles', join(acl, 'roles.jsonl')])
  await platform.ok(['store', 'import', 'users', join(acl, 'users.jsonl')])
  await platform.ok(['deploy', acl])
  const notes = async (user: string, data?: string) =>
    (await json<{ status: number }>(['invoke', 'Notes', '-H', `X-User: ${user}`, ...(data ? ['--data', data] : [])]))
      .status
  const refused = (user: string, data: string) =>
    platform.cli(['invoke', 'Notes', '-H', `X-User: ${user}`, '--data', data, '-i'])
  expect(await notes('ada', 'buy milk')).toBe(201)
  expect(await notes('bob')).toBe(200)
  expect((await refused('bob', 'buy beer')).stdout).toContain('HTTP 403')
  await platform.ok(['store', 'put', 'users', 'bob', '--data', '{"roles":["writer"]}'])
  expect(await notes('bob', 'buy beer')).toBe(201)
})

test('a trigger starts with what is written after its deployment, and can be replayed', async () => {
  await platform.ok(['stop', 'watch'])
  await platform.ok(['store', 'put', 'watched', 'before', '--data', '{"n":1}'])
  await platform.ok(['deploy', project, '--only', 'watch'])
  await platform.ok(['store', 'put', 'watched', 'after', '--data', '{"n":2}'])
  await until(async () => (/saw after 2/.test(await logsOf('watch')) ? true : undefined))
  expect(await logsOf('watch')).not.toContain('saw before')
  // Deployed again, it resumes where it was.
  await platform.ok(['deploy', project, '--only', 'watch'])
  await platform.ok(['store', 'patch', 'watched', 'after', '--data', '{"n":3}'])
  await until(async () => (/saw after 3/.test(await logsOf('watch')) ? true : undefined))
  expect((await logsOf('watch')).match(/saw after 2/g)).toHaveLength(1)
  await platform.ok(['store', 'replay', 'watch', '--from', '1'])
  await until(async () => ((await logsOf('watch')).match(/saw after 3/g)?.length === 2 ? true : undefined))
  // In order within a document only.
  await until(async () => (/saw before 1/.test(await logsOf('watch')) ? true : undefined))
  expect(await platform.cli(['store', 'replay', 'Notes', '--from', '1'])).toMatchObject({ code: 1 })
  expect((await platform.cli(['store', 'replay', 'watch', '--from', 'soon'])).stderr).toContain(
    'must be a sequence number',
  )
})

test('triggers that trigger themselves are stopped with an error that says so', async () => {
  await platform.ok(['store', 'put', 'looped', 'l1', '--data', '{"n":0}'])
  const failed = await until(async () => {
    const { calls } = await json<{ calls: { error: { code: string; message: string } }[] }>([
      ...['calls', '--function', 'loop', '--status', 'failed'],
    ])
    return calls[0]
  })
  expect(failed.error.code).toBe('EVENT_LOOP')
  expect(failed.error.message).toContain('looped/l1')
})

test('a service serves some paths synchronously and queues others; onStart can use the store', async () => {
  expect(await json(['invoke', 'desk', '--path', '/now'])).toMatchObject({ status: 200, body: 'now' })
  expect(await json(['invoke', 'desk', '--path', '/later', '-X', 'POST'])).toMatchObject({ status: 202 })
  expect(await json(['invoke', 'desk', '--path', '/later', '-X', 'POST', '--wait'])).toMatchObject({
    status: 'succeeded',
    body: 'later',
  })
  const missing = await platform.cli(['invoke', 'desk', '--path', '/never'])
  expect(missing).toMatchObject({ code: 1 })
  expect(missing.stderr).toContain('/now, /later')
  expect(await json(['store', 'query', 'starts'])).toMatchObject({ documents: [{ data: { at: 'start' } }] })
  expect(await json(['details', 'desk'])).toMatchObject({
    kind: 'service',
    paths: { http: ['/now'], async: ['/later'] },
  })
})

test('a service that cannot register is not deployed, and its error is shown', async () => {
  const broken = await writeProject(join(platform.home, 'broken'), {
    twice: {
      code: `export const main = (service: import('@ryo-faas/runtime').Service) => service
        .http('/a', () => new Response()).http('/a', () => new Response())`,
      options: { mainProcess: true },
    },
  })
  const { code, stderr } = await platform.cli(['deploy', broken])
  expect(code).toBe(1)
  expect(stderr).toContain('/a is already served')
})

test('documents from the shell: write, change, query, index, export and import', async () => {
  const table = 'cities/of the world 🌍'
  const put = (id: string, data: object) => json(['store', 'put', table, id, '--data', JSON.stringify(data)])
  expect(await put('kiel', { people: 249, land: { name: 'SH' } })).toMatchObject({ id: 'kiel', version: 1 })
  await put('lübeck', { people: 216, land: { name: 'SH' } })
  await put('a.b c/d', { people: 9, land: { name: 'HH' } })
  expect(await json(['store', 'patch', table, 'kiel', '--data', '{"people":250}'])).toMatchObject({ version: 2 })
  expect(await platform.cli(['store', 'patch', table, 'kiel', '--data', '{}', '--if-version', '1'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('version') as string,
  })
  await platform.ok(['store', 'index', table, 'people'])
  const found = await json<{ documents: { id: string }[] }>([
    ...['store', 'query', table, '--where', '{"land.name":"SH","people":{">":200}}', '--order-by', 'people', '--desc'],
  ])
  expect(found.documents.map(({ id }) => id)).toEqual(['kiel', 'lübeck'])
  const file = join(platform.home, 'cities.jsonl')
  await platform.ok(['store', 'export', table, file])
  expect((await readFile(file, 'utf8')).trim().split('\n')).toHaveLength(3)
  await platform.ok(['store', 'drop', table, '--yes'])
  await platform.ok(['store', 'import', table, file])
  expect(await json(['store', 'get', table, 'kiel'])).toMatchObject({ version: 2, data: { people: 250 } })
  await platform.ok(['store', 'delete', table, 'a.b c/d'])
  expect(await platform.cli(['store', 'get', table, 'a.b c/d'])).toMatchObject({ code: 1 })
  await writeFile(join(platform.home, 'bad.jsonl'), '{"id":"x","data":{}}\n{"id":\n')
  const bad = await platform.cli(['store', 'import', table, join(platform.home, 'bad.jsonl')])
  expect(bad).toMatchObject({ code: 1, stderr: expect.stringContaining('line 2') as string })
  const { path } = await json<{ path: string }>(['store', 'backup'])
  expect(await platform.cli(['store', 'restore', path])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/in use by process \d+[^]*stopFaas/) as string,
  })
})

test('restore replaces the data while the platform is stopped, and keeps the previous data', async () => {
  await platform.ok(['store', 'put', 'kept', 'one', '--data', '{"n":1}'])
  const { path } = await json<{ path: string }>(['store', 'backup'])
  await platform.ok(['store', 'put', 'kept', 'one', '--data', '{"n":2}'])
  await platform.ok(['stopFaas'])
  expect(await platform.cli(['store', 'restore', platform.home])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('is not a backup of a store') as string,
  })
  const { kept } = await json<{ kept: string }>(['store', 'restore', path])
  expect(await readdir(kept)).toContain('data.mdb')
  await platform.start('process')
  expect(await json(['store', 'get', 'kept', 'one'])).toMatchObject({ data: { n: 1 } })
})
