/** Functions in Python: the language by its contract, what its checker says, packages, and its runtime as an instance. */
import { execFileSync } from 'node:child_process'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { CheckOutcome } from '../../src/languages/index.ts'
import { PythonLanguage } from '../../src/languages/python/python-language.ts'
import { languageContract } from '../../src/languages/testing/language-contract.ts'
import { PYTHON_ENVIRONMENT } from '../support/python-environment.ts'
import { errorOf, instanceContract } from './instance-contract.ts'
import { never, useLanguage, type Wanted } from './language-bench.ts'

const runtimeDir = fileURLToPath(new URL('../../../runtime', import.meta.url))
const environment = { ...process.env, ...PYTHON_ENVIRONMENT }

const bench = useLanguage('hello', folder => {
  const withWheels = { ...environment, PIP_FIND_LINKS: `${folder}/wheels` }
  return new PythonLanguage({ runtimeDir, cacheDir: `${folder}/cache`, environment: withWheels })
})
const { check, build } = bench

languageContract('python', {
  make: cacheDir => new PythonLanguage({ runtimeDir, cacheDir, environment }),
  entry: 'hello.py',
  files: { 'hello.py': `def hello(request):\n    return 'hello'\n` },
  change: { 'hello.py': `def hello(request):\n    return 'other'\n` },
  broken: { files: { 'hello.py': '\n\ndef hello(a, b, c, d):\n    pass\n' }, line: 3 },
})

const problemsOf = (outcome: CheckOutcome) => (outcome.kind === 'rejected' ? outcome.problems : [])

describe('the checker for Python', () => {
  test.each<[string, string, Wanted]>([
    ['handler', 'def hello(request): pass', {}],
    ['handler', 'def hello(anything, more=1): pass', {}],
    ['async handler', 'async def hello(request): pass', {}],
    ['handler', 'hello = lambda request: 1', {}],
    ['WSGI application', 'def hello(environ, start_response): pass', {}],
    ['ASGI application', 'async def hello(scope, receive, send): pass', {}],
    ['Flask app', 'from flask import Flask as F\nhello = F(__name__)', {}],
    ['FastAPI app', 'import fastapi\nhello = fastapi.FastAPI()', {}],
    ['application', 'def make(): pass\napp = make()', {}],
    ['application', 'def make(): pass\nhello = make()', {}],
    ['handler', 'try:\n  import json\nexcept ImportError:\n  json = None\ndef other(r): pass', { export: 'other' }],
    ['handler', 'def first(r): pass\nhello = first', {}],
    ['event handler', 'def hello(event): pass', { kind: 'trigger' }],
    ['event handler', 'async def hello(event, context): pass', { kind: 'trigger' }],
    ['service', 'def main(service): pass', { kind: 'service' }],
  ])('accepts a %s: %s', async (form, code, wanted) => {
    expect(await check({ 'hello.py': code }, wanted)).toMatchObject({ kind: 'accepted', form })
  })

  test('follows what is imported from the package itself', async () => {
    const files = {
      'hello.py': 'from inner.handlers import start as hello\nfrom inner import values\nimport beside\n',
      'inner/handlers.py': 'from . import values\nasync def start(request): pass\n',
      'inner/values.py': 'import json\n',
      'beside.py': 'import beside\n',
    }
    expect(await check(files)).toMatchObject({ kind: 'accepted', form: 'async handler' })
  })

  test.each<[string, string, Wanted, object]>([
    ['no-such-export', 'def other(request): pass', {}, { line: 1, hint: expect.stringContaining('It has other') }],
    ['wrong-case', '\ndef Hello(request): pass', {}, { line: 2, column: 5 }],
    ['wrong-parameters', 'def hello(): pass', {}, { hint: expect.stringContaining('def hello(request)') }],
    ['wrong-parameters', 'async def hello(a, b): pass', {}, { line: 1, column: 11 }],
    ['wrong-parameters', 'def hello(): pass', { kind: 'trigger' }, { hint: expect.stringContaining('(event)') }],
    ['wrong-parameters', 'def main(a, b): pass', { kind: 'service' }, { hint: expect.stringContaining('(service)') }],
    ['not-a-function', 'hello = 1', {}, { line: 1, column: 1 }],
    ['not-a-function', 'import json as hello', {}, {}],
    ['is-class', 'class hello: pass', {}, { column: 7 }],
    ['syntax-error', 'def hello(request:\n  pass', {}, { line: 1 }],
    ['syntax-error', `def hello(request): return ${'('.repeat(2_000)}${')'.repeat(2_000)}`, {}, {}],
    ['missing-package', '"""ä"""; import no_such_package\ndef hello(r): pass', {}, { line: 1, column: 10 }],
  ])('says %s for %s', async (code, written, wanted, expected) => {
    const outcome = await check({ 'hello.py': written }, wanted)
    expect(outcome).toMatchObject({ kind: 'rejected', problems: [{ code, ...expected }] })
  })

  test('an import that code can do without need not be there', async () => {
    const code = 'try:\n  import no_such_package\nexcept ImportError:\n  pass\ndef hello(r):\n  import no_other\n'
    expect(await check({ 'hello.py': code })).toMatchObject({ kind: 'accepted' })
  })

  test('a machine without the Python says how to get it, and which it has', async () => {
    const expected = { code: 'UNSUPPORTED', hint: expect.stringMatching(/apt-get install python3.*There are: 3\./) }
    await expect(check({ 'hello.py': 'def hello(r): pass' }, { python: '3.99' })).rejects.toMatchObject(expected)
  })
})

describe('packages', () => {
  /** A wheel is an archive of files and what they are. */
  const makeWheel = (name: string, version: string) => {
    const made = `
import sys, zipfile, os
name, version, target = sys.argv[1:]
os.makedirs(target, exist_ok=True)
info = f'{name}-{version}.dist-info'
with zipfile.ZipFile(f'{target}/{name}-{version}-py3-none-any.whl', 'w') as wheel:
    wheel.writestr(f'{name}/__init__.py', f'VERSION = "{version}"\\n')
    wheel.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n')
    wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(f'{info}/RECORD', f'{name}/__init__.py,,\\n{info}/METADATA,,\\n{info}/WHEEL,,\\n{info}/RECORD,,\\n')
`
    execFileSync('/usr/bin/python3', ['-I', '-c', made, name, version, bench.path('wheels')])
  }
  const code = 'import tiny_greeting\ndef hello(request):\n    return tiny_greeting.VERSION\n'
  const built = async (outcome: CheckOutcome) => {
    if (outcome.kind !== 'accepted') throw new Error(JSON.stringify(outcome))
    return { bundle: await outcome.bundle(never), base: outcome.base }
  }

  test('what a requirements file or a project names is installed from wheels, once, and another version is another hash', async () => {
    makeWheel('tiny_greeting', '1.0')
    makeWheel('tiny_greeting', '2.0')
    const requirements = await check({ 'hello.py': code, 'requirements.txt': '# ours\ntiny-greeting==1.0\n' })
    const { bundle, base } = await built(requirements)
    expect(bundle.facts?.unbundled).toMatchObject([
      { name: 'tiny_greeting', version: '1.0', why: 'was installed by pip' },
    ])
    const project = '[project]\nname = "a"\ndependencies = [\n  "tiny-greeting>=2",  # the newest\n]\n[tool.x]\n'
    const newer = await built(await check({ 'hello.py': code, 'pyproject.toml': project }))
    expect(newer.bundle.hash).not.toBe(bundle.hash)
    const engine = bench.engine('packages-home')
    for (const [each, version] of [
      [{ bundle, base }, '1.0'],
      [newer, '2.0'],
    ] as const) {
      const code = { ...(await each.bundle.write(bench.path(`greeting-${version}`))), base: each.base }
      const url = await bench.start(engine, code, { id: version.replace('.', '') })
      expect(await (await fetch(url)).text()).toBe(version)
    }
  })

  test('without them, what this machine has is taken and said; what it lacks is a problem', async () => {
    const flask = 'from flask import Flask\nhello = Flask(__name__)\n'
    const { bundle } = await built(await check({ 'hello.py': flask, 'requirements.txt': 'flask>=2\n' }))
    expect(bundle.notes).toContainEqual(expect.stringMatching(/pip could install nothing.*Flask/i))
    expect(bundle.facts?.unbundled).toContainEqual(
      expect.objectContaining({ name: expect.stringMatching(/^flask$/i), why: 'is installed on this machine' }),
    )
    const outcome = await check({ 'hello.py': flask, 'requirements.txt': 'flask<1\nno-such-thing\n' })
    expect(problemsOf(outcome)).toMatchObject([
      {
        code: 'not-installed',
        file: expect.stringContaining('requirements.txt'),
        hint: expect.stringContaining('flask<1, no-such-thing'),
      },
    ])
  })
})

const SERVICE = `import asyncio, json
from contextlib import asynccontextmanager
from fastapi import FastAPI, Request
from flask import Flask, request as asked
from ryo_faas import Response, context

def seen(request):
    return f'{request.path} {request.params} {request.query} {dict(request.headers.items())} {context().call_id}'

def fails(request):
    raise SystemExit('on purpose')

def late(request):
    context().wait_cancelled(60)
    return 'too late'

async def late_too(request):
    await asyncio.sleep(60)

def held(environ, start_response):
    write = start_response('200 OK', [('content-type', 'text/plain')])
    write(b'-')
    environ['wsgi.input'].read()
    return [b'held']

async def pieces():
    for number in range(3):
        yield str(number)

flask_app = Flask(__name__)

@flask_app.post('/flask/<name>')
def greet(name):
    return {'name': name, 'body': asked.get_data(as_text=True)}, 201

@asynccontextmanager
async def lifespan(app):
    yield {'started': 'in its lifespan'}

fast = FastAPI(lifespan=lifespan)

@fast.get('/fast/{number}')
async def fast_one(number: int, request: Request):
    return {'number': number, 'state': request.state.started}

def main(service):
    service.http('/seen', seen)
    service.http('/fails', fails)
    service.http('/late', late)
    service.http('/late-too', late_too)
    service.http('/held', held)
    service.http('/flask', flask_app)
    service.http('/fast', fast)
    service.http('/body', lambda request: request.body)
    service.http('/pieces', lambda request: Response(pieces(), 203, {'x-a': 'b'}))
    service.http('/tuple', lambda request: ({'a': 1}, 202, {'x-a': 'b'}))
    service.http('/nothing-said', lambda request: None)
    service.http('/garbage', lambda request: object())
    service.queued('/job', seen)

    @service.on('t', 'new-doc')
    def told(event):
        print('event', event.id, event.after.data, flush=True)
`

instanceContract(
  'Python',
  {
    bench,
    files: { 'main.py': SERVICE },
    plain: { 'hello.py': 'def hello(request):\n    return "ran"\n' },
    served: { async: ['/job'], triggers: [{ key: 'told', table: 't', events: ['new-doc'] }] },
    seen: /^\/seen\/x {'id': '7'} {'a': '1'}/,
    held: '-held',
    failing: ['/fails', '/garbage'],
    late: ['/late', '/late-too'],
    logged: [/^\S+Z stderr F Invocation \S+ of hello failed:$/m, /File "\S+main\.py", line 11, in fails$/m],
  },
  instance => {
    test('every form of an answer, and apps of Flask and FastAPI, are served', async () => {
      const answerOf = async (path: string, init?: RequestInit) => {
        const response = await fetch(instance.url + path, init)
        return `${response.status} ${response.headers.get('x-a')} ${(await response.text()).trim()}`
      }
      expect(await answerOf('/pieces')).toBe('203 b 012')
      expect(await answerOf('/tuple')).toBe('202 b {"a": 1}')
      expect(await answerOf('/nothing-said')).toBe('204 null ')
      expect(await answerOf('/flask/you', { method: 'POST', body: 'in' })).toBe('201 null {"body":"in","name":"you"}')
      expect(await answerOf('/fast/7')).toBe('200 null {"number":7,"state":"in its lifespan"}')
      expect(await answerOf('/fast/seven')).toMatch(/^422 /)
      expect(await (await fetch(`${instance.url}/tuple`, { method: 'HEAD' })).text()).toBe('')
      expect(await answerOf('/.ryo-faas/rest', { method: 'POST' })).toBe('204 null ')
    })

    test('what is no HTTP ends its connection and nothing else', async () => {
      const { hostname, port } = new URL(instance.url)
      for (const garbage of ['\x00\x01\x02\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', 'GET /seen HTTP/1.1\r\nA B\r\n\r\n']) {
        const socket = connect(Number(port), hostname)
        socket.end(garbage)
        expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 /)
      }
      expect((await fetch(`${instance.url}/seen`)).status).toBe(200)
    })

    test('what is no event is refused', async () => {
      const headers = { 'x-ryo-faas-delivery': 'secret', 'content-type': 'application/cloudevents+json' }
      const sent = await fetch(`${instance.url}/.ryo-faas/events/told`, { method: 'POST', headers, body: '{}' })
      expect(await errorOf(sent)).toEqual([400, 'BAD_REQUEST'])
      const other = await fetch(`${instance.url}/.ryo-faas/events/other`, { method: 'POST', headers, body: '{}' })
      expect(await errorOf(other)).toEqual([404, 'FUNCTION_NOT_FOUND'])
    })
  },
)

test('a module that raises while it loads is a problem at its place', async () => {
  const outcome = await check({
    'hello.py': 'def hello(r): pass\nimport inner',
    'inner.py': '\nraise ValueError("no")\n',
  })
  const code = await build(outcome, 'raises')
  const engine = bench.engine('raises-home')
  await bench.start(engine, code).catch(() => undefined)
  const lines: string[] = []
  for await (const { line } of engine.logs.read({ route: 'hello', id: 'aa' }, { follow: false }, never))
    lines.push(line)
  expect(bench.language.loadProblem(lines, { codeFolder: code.dir, packageDir: '/w' })).toMatchObject({
    ...{ message: 'ValueError: no', file: '/w/inner.py', line: 2 },
  })
})
