/** Functions in Go: the language by its contract, what its checker says, and its runtime as an instance. */
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { GoLanguage } from '../../src/languages/go/go-language.ts'
import { languageContract } from '../../src/languages/testing/language-contract.ts'
import { GO_CACHE } from '../support/go-cache.ts'
import { instanceContract } from './instance-contract.ts'
import { never, useLanguage, type Wanted } from './language-bench.ts'

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

const bench = useLanguage('Hello', () => new GoLanguage({ runtimeDir, cacheDir: '', environment }))
const { check, build } = bench

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
    const folder = bench.path('')
    const without = new GoLanguage({ runtimeDir, cacheDir: bench.path('none'), environment: { PATH: folder } })
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

const SERVICE = `package main

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

instanceContract('Go', {
  bench,
  files: { 'main.go': SERVICE },
  served: { http: expect.arrayContaining(['/seen']), async: [], triggers: [{ table: 't', events: ['new-doc'] }] },
  seen: /^\/seen\/x ?7/,
  held: 'held',
  failing: ['/panic'],
  late: ['/late'],
  logged: [/^\S+Z stderr F Invocation \S+ of Hello failed: on purpose$/m],
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
  const url = await bench.start(bench.engine('gin-home'), await build(outcome, 'gin'))
  expect(await (await fetch(url)).text()).toBe('through gin')
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
  const built = await build(await check({ 'main.go': code }, { kind: 'service' }), 'event-service')
  const url = await bench.start(bench.engine('events'), built, { env: { RYO_FAAS_DELIVERY_TOKEN: 'secret' } })
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
})
