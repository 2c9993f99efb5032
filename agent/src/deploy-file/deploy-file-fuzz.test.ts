/**
 * Whatever a deploy.json holds, the result is a list of located problems, or entries: never an exception. Files are
 * generated from a seed: `FUZZ_SEED`, `FUZZ_ROUNDS`.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { DeployEntry } from '../contract/index.ts'
import { createLanguages } from '../languages/index.ts'
import { readDeployFile } from './read-deploy-file.ts'
import { IS_WHOLE } from '../../test/support/whole-suite.ts'

const folder = mkdtempSync(join(tmpdir(), 'rfa-deploy-fuzz-'))
const file = join(folder, 'deploy.json')
writeFileSync(join(folder, 'main.ts'), 'export const hello = () => new Response()')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const languages = createLanguages({ runtimeDir: '', cacheDir: '', environment: {} })

const seed = Number(process.env['FUZZ_SEED'] ?? 1)
const numRuns = Number(process.env['FUZZ_ROUNDS'] ?? (IS_WHOLE ? 150 : 50))

const name = fc.constantFrom('hello', 'Hello', '', '__proto__', 'constructor', 'a'.repeat(64), 'ä', '../x', 'nats')
const path = fc.constantFrom('.', './main.ts', '..', '/etc', '', './none.ts', 'a\0b', '~', './main.ts/x')
/** Sometimes right, mostly not: of the right kind, or anything. */
const anything = <T>(likely: fc.Arbitrary<T>) => fc.oneof({ weight: 3, arbitrary: likely }, fc.jsonValue())
const trigger = fc.record(
  {
    kind: anything(fc.constantFrom('document', 'event', 'nats', 'cron')),
    table: fc.string(),
    events: fc.array(fc.constantFrom('new-doc', 'old-doc', 1)),
    ids: fc.array(fc.string()),
    type: fc.constantFrom('a.*', '*a', ''),
    server: anything(fc.constantFrom('SERVER', 'nats://a:4222', 'nats://a:b@c', 'http://a')),
    subject: anything(fc.constantFrom('a.>', '>.a', 'a b', '')),
    durable: fc.constantFrom('ours', 'a.b', 1),
    queue: fc.constantFrom('ours', '*'),
    tls: anything(fc.record({ ca: fc.constantFrom('CA', '../x') }, { requiredKeys: [] })),
  },
  { requiredKeys: [] },
)
const schedule = fc.record(
  {
    cron: anything(fc.constantFrom('* * * * *', '99 * * * *', '')),
    every: fc.string(),
    zone: fc.string(),
    at: fc.string(),
  },
  { requiredKeys: [] },
)
const FIELDS: Record<keyof DeployEntry, fc.Arbitrary<unknown>> = {
  name: anything(name),
  export: anything(fc.constantFrom('default', 'GET', '')),
  packageDir: anything(path),
  filePath: anything(path),
  route: anything(fc.constantFrom('/a', '/a/:id', '/a/*', '/functions/x', 'a', '/:x/:x', '/../b')),
  methods: anything(fc.array(fc.constantFrom('GET', 'get', 'POST'))),
  async: anything(fc.oneof(fc.boolean(), fc.record({ attempts: fc.integer(), backoffMs: fc.double() }))),
  on: anything(fc.array(anything(trigger))),
  schedule: anything(fc.array(anything(schedule))),
  mainProcess: anything(fc.boolean()),
  environments: anything(fc.dictionary(anything(name) as fc.Arbitrary<string>, anything(fc.object()))),
  env: anything(fc.dictionary(fc.string(), fc.string())),
  secrets: anything(fc.array(fc.string())),
  store: anything(fc.record({ read: fc.array(fc.string()), write: fc.array(fc.string()) }, { requiredKeys: [] })),
  files: anything(fc.array(fc.string())),
  unbundled: anything(fc.array(fc.string())),
  timeoutMs: anything(fc.integer()),
  memoryMb: anything(fc.double()),
  cpus: anything(fc.double()),
  instances: anything(fc.integer()),
  scale: anything(fc.record({ min: fc.integer(), max: fc.integer(), idleMs: fc.double() }, { requiredKeys: [] })),
  concurrency: anything(fc.integer()),
  bodyLimitMb: anything(fc.double()),
  networks: anything(fc.array(fc.string())),
  egress: anything(fc.constantFrom('none', 'internet')),
  nodes: anything(fc.constantFrom('role==gpu', 'zone!=eu-1, disk==ssd')),
  ca: anything(path),
  node: anything(fc.constantFrom('22', '22.1.0', '18', 'lts', 22)),
  python: anything(fc.constantFrom('3.13', '3', '2.7', 3)),
  command: anything(fc.constantFrom(['./server'], ['node', 'a.js'], [], [''], ['python3', 1], './server')),
  dockerfile: anything(fc.constantFrom(true, false, 'Dockerfile', '../Dockerfile', '')),
  readiness: anything(fc.constantFrom('/', '/healthz', 'healthz', '/a b', 1)),
  language: anything(fc.constantFrom('node', 'nod', '', 'constructor')),
  access: anything(
    fc.oneof(
      fc.constantFrom('public', 'private', 'key'),
      fc.record({ jwt: fc.record({ issuer: fc.string(), audience: fc.string(), jwks: fc.webUrl() }) }),
      fc.jsonValue(),
    ),
  ),
  cors: anything(fc.record({ origins: fc.constantFrom('*', ['https://a.example'], ['a']), credentials: fc.boolean() })),
  rate: anything(fc.constantFrom('100/s', '1/d', '0/s', '1')),
  domains: anything(fc.array(fc.constantFrom('a.example', 'A.example', '', 'a..b'))),
}
const entry = fc.record(FIELDS, { requiredKeys: ['name', 'packageDir', 'filePath'] })
const document = anything(fc.record({ deploy: anything(fc.array(anything(entry))) }))

async function read(text: string): Promise<void> {
  writeFileSync(file, text)
  const outcome = await readDeployFile(file, languages)
  if (outcome.kind === 'read') {
    for (const { entry: one } of outcome.functions) expect(() => DeployEntry.parse(one)).not.toThrow()
    return
  }
  expect(outcome.problems.length).toBeGreaterThan(0)
  for (const { line, column, message } of outcome.problems) {
    expect(line).toBeGreaterThan(0)
    expect(column).toBeGreaterThan(0)
    expect(message).not.toBe('')
  }
}

it('a deploy.json with any content is read, or refused with locations', async () => {
  await fc.assert(
    fc.asyncProperty(document, value => read(JSON.stringify(value, undefined, 2) ?? '')),
    { seed, numRuns },
  )
})

it('any text is read, or refused with locations', async () => {
  const valid = JSON.stringify({ deploy: [{ name: 'hello', packageDir: '.', filePath: './main.ts' }] }, undefined, 2)
  const damaged = fc
    .tuple(fc.nat(valid.length), fc.nat(8), fc.string({ unit: 'binary' }))
    .map(([at, length, text]) => valid.slice(0, at) + text + valid.slice(at + length))
  await fc.assert(fc.asyncProperty(fc.oneof(damaged, fc.string({ unit: 'binary' })), read), { seed, numRuns })
})
