/** Functions in Go: the language by its contract, what its checker says, and its runtime as an instance. */
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DeploymentKind, HandledEvents } from '../../src/contract/index.ts'
import { ProcessEngine } from '../../src/engines/process/process-engine.ts'
import { GoLanguage } from '../../src/languages/go/go-language.ts'
import { languageContract } from '../../src/languages/testing/language-contract.ts'
import { GO_CACHE } from '../support/go-cache.ts'
import { until } from '../support/until.ts'
import { expectKeyWanted, INSTANCE_KEY } from './instance-key.ts'

const runtimeDir = fileURLToPath(new URL('../../../runtime', import.meta.url))
const environment = { ...process.env, GOCACHE: GO_CACHE }

const answering = (answer: string) => `package hello

import (
	"fmt"
	"net/http"
)

func Hello(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "${answer}") }
`

languageContract('go', {
  make: cacheDir => new GoLanguage({ runtimeDir, cacheDir, environment }),
  entry: 'hello.go',
  export: 'Hello',
  files: { 'go.mod': 'module example.com/hello\n\ngo 1.22\n', 'hello.go': answering('hello') },
  change: { 'hello.go': answering('other') },
  broken: { files: { 'hello.go': 'package hello\n\nfunc Hello(w int) {}\n' }, line: 3 },
})

const never = new AbortController().signal
const language = new GoLanguage({ runtimeDir, cacheDir: '', environment })
let folder: string
let packages = 0
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'rfa-go-test-')))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

interface Wanted {
  name?: string
  kind?: DeploymentKind
  on?: HandledEvents[]
  file?: string
  export?: string
}

async function check(files: Record<string, string>, { name = 'Hello', kind = 'http', file, ...more }: Wanted = {}) {
  const rootDir = join(folder, String(++packages))
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(rootDir, path)), { recursive: true })
    await writeFile(join(rootDir, path), content)
  }
  const filePath = join(rootDir, file ?? Object.keys(files)[0]!)
  const source = { name, kind, on: more.on, export: more.export, rootDir, packageDir: rootDir, filePath, files: [] }
  const [outcome] = await language.check([source])
  return outcome!
}

const inPackage = (code: string) => `package hello

import (
	"context"
	web "net/http"

	faas "github.com/ryo-faas/ryo-faas/runtime/go"
)

var _ context.Context
var _ web.Handler
var _ faas.Document

${code}
`

describe('the checker for Go', () => {
  test.each<[string, string, Wanted]>([
    ['any names, and an import alias', 'func Hello(_ web.ResponseWriter, in *web.Request) {}', {}],
    ['an alias of a type', 'type W = web.ResponseWriter\nfunc Hello(w W, r *web.Request) {}', {}],
    ['a variable', 'var Hello web.HandlerFunc = func(web.ResponseWriter, *web.Request) {}', {}],
    ['an http.Handler', 'var Hello = web.NewServeMux()', {}],
    ['another name', 'func Other(w web.ResponseWriter, r *web.Request) {}', { export: 'Other' }],
    ['a combination', 'func Init() { faas.HTTP("/", nil) }', { kind: 'service' }],
    ['a trigger', 'func Hello(c context.Context, e faas.DocumentEvent) error { return nil }', { kind: 'trigger' }],
    [
      'a trigger on events',
      'func Hello(c context.Context, e faas.CloudEvent) error { return nil }',
      { kind: 'trigger', on: ['event'] },
    ],
    ['a handler of events', 'func Hello(w web.ResponseWriter, r *web.Request) {}', { kind: 'trigger', on: ['event'] }],
    [
      'whole events of documents',
      'func Hello(c context.Context, e faas.CloudEvent) error { return nil }',
      { kind: 'trigger' },
    ],
    ['a trigger in short', 'func Hello(d faas.Document) {}', { kind: 'trigger' }],
  ])('accepts %s', async (_what, code, wanted) => {
    expect(await check({ 'hello.go': inPackage(code) }, wanted)).toMatchObject({ kind: 'accepted' })
  })

  test.each<[string, string, Wanted, object]>([
    ['wrong-parameters', 'func Hello(r *web.Request) {}', {}, { hint: expect.stringContaining('func Hello(w http.') }],
    ['wrong-parameters', 'func Hello(w web.ResponseWriter, r web.Request) {}', {}, { line: 14, column: 6 }],
    ['wrong-parameters', 'func Init(s string) {}', { kind: 'service' }, { hint: 'Declare it as func Init()' }],
    ['wrong-parameters', 'func Hello() {}', { kind: 'trigger' }, { hint: expect.stringContaining('DocumentEvent') }],
    [
      'wrong-parameters',
      'func Hello(d faas.Document) {}',
      { kind: 'trigger', on: ['document', 'event'] },
      { hint: expect.stringContaining('faas.CloudEvent') },
    ],
    ['not-exported', 'func hello(w web.ResponseWriter, r *web.Request) {}', {}, { hint: 'Rename it to "Hello"' }],
    [
      'wrong-case',
      'func HELLO(w web.ResponseWriter, r *web.Request) {}',
      {},
      { hint: expect.stringContaining('HELLO') },
    ],
    ['no-such-export', 'func Other(w web.ResponseWriter, r *web.Request) {}', {}, { hint: 'It exports "Other"' }],
    ['not-a-function', 'type Hello struct{}', {}, {}],
    ['is-generic', 'func Hello[T any](w web.ResponseWriter, r *web.Request) {}', {}, {}],
    [
      'type-error',
      'func Hello(w web.ResponseWriter, r *web.Request) { /*äöü😀*/ nothing() }',
      {},
      { line: 14, column: 62 },
    ],
    ['syntax-error', 'func Hello(w web.ResponseWriter, r *web.Request) {', {}, {}],
  ])('says %s for %s', async (code, written, wanted, expected) => {
    const outcome = await check({ 'hello.go': inPackage(written) }, wanted)
    expect(outcome).toMatchObject({ kind: 'rejected', problems: [{ code, ...expected }] })
  })

  test('finds what is wrong around the file', async () => {
    const handler = 'package hello\nimport "net/http"\nfunc Hello(w http.ResponseWriter, r *http.Request) {}\n'
    const problemOf = async (files: Record<string, string>, wanted?: Wanted) => {
      const outcome = await check(files, wanted)
      return outcome.kind === 'rejected' ? outcome.problems[0] : undefined
    }
    expect(await problemOf({ 'a.go': 'package hello\n', 'b.go': handler })).toMatchObject({ code: 'wrong-file' })
    expect(await problemOf({ 'hello_test.go': handler })).toMatchObject({ code: 'not-built' })
    expect(await problemOf({ 'a.go': handler }, { file: 'b.go' })).toMatchObject({ code: 'missing-file' })
    const absent = handler.replace('import "net/http"', 'import ("net/http"; _ "example.com/absent")')
    expect(await problemOf({ 'a.go': absent })).toMatchObject({
      ...{ code: 'missing-module', line: 2, hint: expect.stringContaining('go mod vendor') },
    })
    const outside = 'module a\n\nreplace example.com/b => ../../b\n'
    expect(await problemOf({ 'a.go': handler, 'go.mod': outside })).toMatchObject({ code: 'outside-module' })
  })

  test('a machine without Go says how to get it', async () => {
    const without = new GoLanguage({ runtimeDir, cacheDir: join(folder, 'none'), environment: { PATH: folder } })
    const source = {
      name: 'Hello',
      kind: 'http',
      rootDir: folder,
      packageDir: folder,
      filePath: 'x.go',
      files: [],
    } as const
    await expect(without.check([{ ...source, files: [] }])).rejects.toMatchObject({
      ...{ code: 'UNSUPPORTED', hint: expect.stringContaining('golang-go') },
    })
  })

  test('the hash follows packages of the module and next to it, embedded files and vendored ones', async () => {
    const files = {
      'app/hello.go': `package main
import ("net/http"; _ "embed"; "example.com/lib"; "example.com/app/inner")
//go:embed text.txt
var text string
func Hello(w http.ResponseWriter, r *http.Request) { w.Write([]byte(text + lib.Name + inner.Name)) }
func main() { http.ListenAndServe("", http.HandlerFunc(Hello)) }
`,
      'app/go.mod':
        'module example.com/app\n\ngo 1.22\n\nrequire example.com/lib v0.0.0\nreplace example.com/lib => ../lib\n',
      'app/text.txt': 'a',
      'app/inner/inner.go': 'package inner\nconst Name = "a"\n',
      'app/unused/unused.go': 'package unused\n',
      'lib/lib.go': 'package lib\nconst Name = "a"\n',
      'lib/go.mod': 'module example.com/lib\n',
    }
    const hashOf = async (changes: Record<string, string> = {}) => {
      const outcome = await check({ ...files, ...changes })
      if (outcome.kind !== 'accepted') throw new Error(JSON.stringify(outcome))
      return (await outcome.bundle(never)).hash
    }
    const first = await hashOf()
    expect(await hashOf({ 'app/unused/unused.go': 'package unused\nvar A = 1\n' })).toBe(first)
    const changed = await Promise.all(
      ['app/inner/inner.go', 'lib/lib.go', 'app/text.txt'].map(path =>
        hashOf({ [path]: (files as Record<string, string>)[path]!.replace('"a"', '"b"').replace(/^a$/, 'b') }),
      ),
    )
    expect(new Set([first, ...changed]).size).toBe(4)
  })
})

describe('an instance in Go', () => {
  let engine: ProcessEngine
  const env = {
    RYO_FAAS_TIMEOUT_MS: '60000',
    RYO_FAAS_CONCURRENCY: '2',
    RYO_FAAS_BODY_LIMIT_BYTES: '10',
    RYO_FAAS_DELIVERY_TOKEN: 'secret',
  }
  const service = `package main

import (
	"fmt"
	"io"
	"net/http"

	faas "github.com/ryo-faas/ryo-faas/runtime/go"
)

func Init() {
	faas.HTTP("/seen", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.Path, r.PathValue("id"), r.Header, faas.InvocationOf(r.Context()).CallID())
	})
	faas.HTTP("/panic", func(w http.ResponseWriter, r *http.Request) { panic("on purpose") })
	faas.HTTP("/body", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	faas.HTTP("/late", func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		w.Write([]byte("too late"))
	})
	faas.HTTP("/held", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, "held")
	})
	faas.On("t", faas.NewDoc, func(d faas.Document) { fmt.Println("event", d.ID) })
}
`
  let url: string
  let built: { dir: string; entry: string }

  beforeAll(async () => {
    engine = engineIn('home')
    const outcome = await check({ 'main.go': service }, { kind: 'service' })
    if (outcome.kind !== 'accepted') throw new Error(JSON.stringify(outcome))
    built = await (await outcome.bundle(never)).write(join(folder, 'service'))
    url = await startIn(engine, { ...built, env })
  })
  afterAll(async () => {
    await engine.cleanUp()
    await engine.close()
  })
  /** In the middle of a call until it is released. */
  const hold = async () => {
    const sent = request(`${url}/held`, { method: 'POST' })
    sent.flushHeaders()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    return {
      release: () => {
        sent.end()
        return text(response)
      },
    }
  }
  const errorOf = async (response: Response) => {
    const { error } = (await response.json()) as { error: { code: string } }
    expect(response.headers.get('x-ryo-faas-error')).toBe(error.code)
    return [response.status, error.code]
  }

  test('says what it serves and counts what it did', async () => {
    expect(await (await fetch(`${url}/.ryo-faas/health`)).json()).toMatchObject({
      ...{ status: 'ok', version: 0, instance: 'aa' },
      served: { http: expect.arrayContaining(['/seen']), async: [], triggers: [{ table: 't', events: ['new-doc'] }] },
    })
    expect(await (await fetch(`${url}/.ryo-faas/metrics`)).text()).toContain('# TYPE faas_invocations_total counter')
    expect((await fetch(`${url}/.ryo-faas/events/any`, { method: 'POST' })).status).toBe(404)
  })

  test('hides what belongs to the platform, and believes a call id from the platform only', async () => {
    const params = encodeURIComponent(JSON.stringify({ id: '7' }))
    const claim = { 'x-call-id': 'claimed', 'x-ryo-faas-params': params }
    const seen = async (headers: Record<string, string>) => (await fetch(`${url}/seen/x`, { headers })).text()
    expect(await seen(claim)).toMatch(/^\/seen\/x ?7/)
    expect(await seen(claim)).not.toContain('claimed')
    const delivered = await seen({ ...claim, 'x-ryo-faas-delivery': 'secret', 'x-ryo-faas-instance': 'aa' })
    expect(delivered).toContain('claimed')
    expect(delivered).not.toMatch(/secret|Ryo-Faas/i)
    const other = await fetch(`${url}/seen`, { headers: { 'x-ryo-faas-instance': 'bb' } })
    expect([other.status, other.headers.get('x-ryo-faas-instance')]).toEqual([421, 'aa'])
  })

  test('with a key it answers only connections that have shown it', async () => {
    await expectKeyWanted(
      await startIn(engine, { ...built, id: 'bb', env: { ...env, RYO_FAAS_INSTANCE_KEY: INSTANCE_KEY } }),
    )
  })

  test('a panic, a late handler, too large a body and one call too many are answers of the platform', async () => {
    expect(await errorOf(await fetch(`${url}/panic`))).toEqual([500, 'FUNCTION_ERROR'])
    const deadline = { 'x-ryo-faas-deadline-ms': '20' }
    expect(await errorOf(await fetch(`${url}/late`, { headers: deadline }))).toEqual([504, 'FUNCTION_TIMEOUT'])
    const send = (body: string | ReadableStream) =>
      fetch(`${url}/body`, { method: 'POST', body, duplex: 'half' } as RequestInit)
    expect(await (await send('0123456789')).text()).toBe('0123456789')
    expect(await errorOf(await send('0123456789a'))).toEqual([413, 'PAYLOAD_TOO_LARGE'])
    expect(await errorOf(await send(new Blob(['0123456789a']).stream()))).toEqual([413, 'PAYLOAD_TOO_LARGE'])
    expect(await errorOf(await fetch(`${url}/nothing`))).toEqual([404, 'HANDLER_NOT_FOUND'])

    const held = await Promise.all([hold(), hold()])
    expect(await errorOf(await fetch(`${url}/seen`))).toEqual([429, 'FUNCTION_OVERLOADED'])
    expect(await Promise.all(held.map(({ release }) => release()))).toEqual(['held', 'held'])
  })

  test('an instance that has to stop finishes what it began, and what it printed is in its log', async () => {
    const held = await hold()
    const stopped = engine.stop('aa', 5_000)
    await until(async () => (await fetch(`${url}/seen`).catch(() => undefined))?.status !== 200 || undefined)
    expect(await held.release()).toBe('held')
    await stopped
    const log = await readFile(join(folder, 'home', 'logs', 'functions', 'hello', 'aa.log'), 'utf8')
    expect(log).toMatch(/^\S+Z stderr F Invocation \S+ of Hello failed: on purpose$/m)
  })
})

test('a handler of Gin runs if the package has Gin in its vendor folder', async () => {
  const outcome = await check({
    'hello.go': `package hello

import "github.com/gin-gonic/gin"

func Hello(c *gin.Context) { c.String("through gin") }
`,
    'go.mod': 'module example.com/hello\n\ngo 1.22\n\nrequire github.com/gin-gonic/gin v1.10.0\n',
    'vendor/modules.txt': '# github.com/gin-gonic/gin v1.10.0\n## explicit; go 1.20\ngithub.com/gin-gonic/gin\n',
    // What we use of it; all of it is thirty other modules.
    'vendor/github.com/gin-gonic/gin/gin.go': `package gin

import (
	"io"
	"net/http"
)

const ReleaseMode = "release"

type (
	Context     struct{ w http.ResponseWriter }
	HandlerFunc func(*Context)
	Engine      struct{ handler HandlerFunc }
)

func SetMode(string)                                               {}
func New() *Engine                                                 { return &Engine{} }
func (e *Engine) NoRoute(h HandlerFunc)                            { e.handler = h }
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) { e.handler(&Context{w}) }
func (c *Context) Status(code int)                                 { c.w.WriteHeader(code) }
func (c *Context) String(text string)                              { io.WriteString(c.w, text) }
`,
  })
  expect(outcome).toMatchObject({ kind: 'accepted', form: 'Gin handler' })
  if (outcome.kind !== 'accepted') return
  const { dir, entry } = await (await outcome.bundle(never)).write(join(folder, 'gin'))
  const engine = engineIn('gin-home')
  try {
    expect(await (await fetch(await startIn(engine, { dir, entry }))).text()).toBe('through gin')
  } finally {
    await engine.cleanUp()
    await engine.close()
  }
})

test('handlers in Go get whole events: as a value, and as a request in binary mode', async () => {
  const code = `package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	faas "github.com/ryo-faas/ryo-faas/runtime/go"
)

var seen []string

func Init() {
	faas.HTTP("/seen", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, strings.Join(seen, "|")) })
	faas.OnEvent("com.example.*", byValue)
	faas.OnEvent("com.example.*", byRequest, "/shop")
}

func byValue(ctx context.Context, event faas.CloudEvent) error {
	var order struct{ Amount int }
	if event.Type == "com.example.bad" {
		return fmt.Errorf("again")
	}
	if err := event.Decode(&order); err != nil {
		order.Amount = len(event.Data)
	}
	seen = append(seen, fmt.Sprint(event.ID, " ", event.Subject, " ", order.Amount, " ", event.Extensions["own"]))
	return nil
}

func byRequest(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	seen = append(seen, r.Header.Get("Ce-Id")+" "+r.Header.Get("Ce-Subject")+" "+r.Header.Get("Content-Type")+" "+string(body))
}
`
  const engine = engineIn('events')
  try {
    const outcome = await check({ 'main.go': code }, { kind: 'service' })
    if (outcome.kind !== 'accepted') throw new Error(JSON.stringify(outcome))
    const built = await (await outcome.bundle(never)).write(join(folder, 'event-service'))
    const url = await startIn(engine, { ...built, env: { RYO_FAAS_DELIVERY_TOKEN: 'secret' } })
    const { served } = (await (await fetch(`${url}/.ryo-faas/health`)).json()) as { served: object }
    expect(served).toMatchObject({
      events: [
        { key: 'byValue', type: 'com.example.*' },
        { key: 'byRequest', type: 'com.example.*', source: '/shop' },
      ],
    })
    const post = async (key: string, event: object) => {
      const headers = { 'content-type': 'application/cloudevents+json', 'x-ryo-faas-delivery': 'secret' }
      const body = JSON.stringify(event)
      return (await fetch(`${url}/.ryo-faas/events/${key}`, { method: 'POST', headers, body })).status
    }
    const event = { specversion: '1.0', id: 'é 1', source: '/shop', type: 'com.example.paid', subject: 's', own: true }
    expect(await post('byValue', { ...event, data: { amount: 7 } })).toBe(204)
    expect(await post('byValue', { ...event, data_base64: 'AP8=', datacontenttype: 'application/octet-stream' })).toBe(
      204,
    )
    expect(await post('byRequest', { ...event, data: 'text', datacontenttype: 'text/plain' })).toBe(200)
    expect(await post('byValue', { ...event, type: 'com.example.bad' })).toBe(500)
    expect(await post('byValue', { specversion: '1.0' })).toBe(400)
    expect(await (await fetch(`${url}/seen`)).text()).toBe('é 1 s 7 true|é 1 s 2 true|%C3%A9%201 s text/plain text')
  } finally {
    await engine.cleanUp()
    await engine.close()
  }
})

function engineIn(home: string): ProcessEngine {
  return new ProcessEngine({
    ...{ project: 'rfat', home: join(folder, home), nodePath: process.execPath, note: '' },
    baseEnv: { PATH: process.env['PATH'] ?? '' },
  })
}

/** @returns its URL */
async function startIn(
  engine: ProcessEngine,
  started: { dir: string; entry: string; env?: Record<string, string>; id?: string },
): Promise<string> {
  const { dir, entry, env = {}, id = 'aa' } = started
  const limits = { memoryMb: 128, cpus: 1, pids: 64 }
  const command = language.command({ folder: dir, entry }, engine.commandNeeds({ limits }))
  const spec = { id, route: 'hello', version: 1, image: dir, command, secrets: {}, limits }
  const { state } = await engine.start({ ...spec, env: { ...env, RYO_FAAS_INSTANCE: id } }, never)
  if (state.kind === 'exited') throw new Error(state.reason)
  return `http://${state.address.host}:${state.address.port}`
}
