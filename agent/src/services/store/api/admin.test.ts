import { afterEach, beforeEach, expect, it } from 'vitest'
import { AS_OPERATOR, TEST_KEYS } from '../../../access/access-testing.ts'
import { ask, Stage, until } from '../store-testing.ts'
import { createStore } from '../store.ts'

const AT_TWO = { host: '127.0.0.2', peers: ['127.0.0.0/8'] }

let stage: Stage
beforeEach(async () => {
  stage = await Stage.open()
})
afterEach(() => stage.end())

it('shows its figures under names and labels that are few', async () => {
  const { port } = await stage.store()
  for (const table of ['a', 'b']) await ask(port, `POST /tables/${table}/docs`, { body: { data: 1 } })
  await ask(port, 'GET /tables/a/docs/none')
  await ask(port, 'POST /tables/a/docs', { body: 'x' })
  for (const refused of [{ host: 'evil.example' }, { authorization: 'Bearer wrong' }]) {
    await ask(port, 'GET /tables/a/docs/none', { headers: refused })
  }
  await ask(port, 'GET /tables/a/docs')
  const shown = async () => (await ask(port, 'GET /metrics')).text
  await until(async () => (await shown()).includes('operation="query"'), 'the last request is counted')
  const text = await shown()
  for (const line of [
    'store_operations_total{operation="create",outcome="ok"} 2',
    'store_operations_total{operation="create",outcome="invalid"} 1',
    'store_operations_total{operation="get",outcome="conflict"} 1',
    'store_operations_total{operation="get",outcome="invalid"} 2',
    'store_operation_duration_seconds_count{operation="create"} 3',
    'store_operation_duration_seconds_bucket{operation="query",le="+Inf"} 1',
    'store_tables 2',
    'store_documents 2',
    'store_events_total 2',
  ]) {
    expect(text.split('\n')).toContain(line)
  }
  const names = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)]
  for (const [, name, type] of names) {
    expect(name).toMatch(/^[a-z][a-z0-9_]*$/)
    if (name!.startsWith('store_')) expect(name!.endsWith('_total'), name).toBe(type === 'counter')
  }
})

it('counts what streams once it has ended', async () => {
  const { port } = await stage.store()
  await ask(port, 'POST /tables/a/docs', { body: { data: 1 } })
  const counted = async (operation: string) =>
    new RegExp(`store_operations_total{operation="${operation}",outcome="ok"} (\\d+)`).exec(
      (await ask(port, 'GET /metrics')).text,
    )?.[1]
  await ask(port, 'GET /tables/a/export')
  await until(async () => (await counted('export')) === '1', 'the export is counted')
  const leaving = new AbortController()
  const following = await fetch(`http://127.0.0.1:${port}/changes`, { signal: leaving.signal, headers: AS_OPERATOR })
  expect(following.status).toBe(200)
  expect(await counted('changes')).toBeUndefined()
  leaving.abort()
  await until(async () => (await counted('changes')) === '1', 'the stream of changes is counted')
})

it('is alive and ready', async () => {
  const { port } = await stage.store()
  expect(await ask(port, 'GET /healthz')).toMatchObject({ status: 200, text: 'ok\n' })
  expect(await ask(port, 'GET /readyz')).toMatchObject({ status: 200, text: 'ready\n' })
})

it('describes every route', async () => {
  const { port } = await stage.store()
  const { paths } = (await ask(port, 'GET /openapi.json')).json
  const operations = Object.entries(paths as Record<string, object>).flatMap(([path, methods]) =>
    Object.keys(methods).map(method => `${method.toUpperCase()} ${path}`),
  )
  expect(operations.sort()).toEqual(
    [
      ...['POST /tables/{table}/docs', 'GET /tables/{table}/docs', 'POST /batch', 'POST /backup', 'GET /tables'],
      ...['GET', 'PUT', 'PATCH', 'DELETE'].map(method => `${method} /tables/{table}/docs/{id}`),
      ...['GET /tables/{table}', 'DELETE /tables/{table}', 'GET /tables/{table}/indexes'],
      ...['PUT /tables/{table}/indexes/{field}', 'DELETE /tables/{table}/indexes/{field}'],
      ...['GET /tables/{table}/export', 'POST /tables/{table}/import'],
      ...['GET /changes', 'GET /tables/{table}/changes', 'GET /changes/{sequence}', 'GET /log'],
    ].sort(),
  )
})

it('says of every route its operation, who may ask, what comes and of which type', async () => {
  const { port } = await stage.store()
  const document = (await ask(port, 'GET /openapi.json')).json as {
    paths: Record<string, Record<string, { operationId?: string; responses: Record<string, { content?: object }> }>>
    security: object[]
    components: { securitySchemes: object }
  }
  expect(document.security).toEqual([{ token: [] }])
  expect(document.components.securitySchemes).toMatchObject({ token: { type: 'http', scheme: 'bearer' } })
  const operations = Object.values(document.paths).flatMap(methods => Object.values(methods))
  const ids = operations.map(({ operationId }) => operationId)
  expect(ids).not.toContain(undefined)
  expect(new Set(ids).size).toBe(ids.length)
  for (const { responses } of operations) expect(Object.keys(responses)).toContain('default')
  const typesOf = (path: string) => Object.keys(document.paths[path]!['get']!.responses['200']!.content!)
  expect(typesOf('/changes')).toEqual(['text/event-stream'])
  expect(typesOf('/tables/{table}/changes')).toEqual(['text/event-stream'])
  expect(typesOf('/tables/{table}/export')).toEqual(['application/x-ndjson', 'application/json'])
  expect(typesOf('/changes/{sequence}')).toEqual(['application/cloudevents+json'])
  expect(document.paths['/changes/{sequence}']!['get']!.responses).toHaveProperty('404.content')
})

it('describes an event as it is', async () => {
  const { port } = await stage.store()
  await ask(port, 'POST /tables/a/docs', { body: { data: 1 } })
  const event = (await ask(port, 'GET /changes/1')).json as object
  const document = (await ask(port, 'GET /openapi.json')).json
  const { schema } = document.paths['/changes/{sequence}'].get.responses['200'].content['application/cloudevents+json']
  expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(Object.keys(event)))
  expect(Object.keys(event)).toEqual(expect.arrayContaining(schema.required))
})

it('listens on more addresses, and tells if one is taken', async () => {
  const { port } = await stage.store({ extraHosts: [AT_TWO] })
  const answer = await fetch(`http://127.0.0.2:${port}/healthz`)
  expect(await answer.text()).toBe('ok\n')
  for (const input of [{ host: '127.0.0.2' }, { host: '127.0.0.3', extraHosts: [AT_TWO] }]) {
    const taken = createStore(
      { dataFolder: `${stage.dataFolder}-2`, access: TEST_KEYS, port, ...input },
      { onEvent: () => undefined },
    )
    await expect(taken).rejects.toMatchObject({ code: 'EADDRINUSE' })
  }
})

it('has its data to itself', async () => {
  await stage.store()
  await expect(stage.store()).rejects.toMatchObject({ code: 'DATA_IN_USE' })
})
