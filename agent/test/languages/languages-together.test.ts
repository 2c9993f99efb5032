/**
 * Functions in Node, Go, Python and a program that knows nothing of us, on one platform: a chain through all of them is
 * one trace, and each gets the same events in every content mode and from every publisher.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SpanView } from '../../src/contract/index.ts'
import { GO_CACHE } from '../support/go-cache.ts'
import { TheirServer } from '../../src/bus/testing/their-server.ts'
import { TestPlatform } from '../support/platform.ts'
import { PYTHON_ENVIRONMENT } from '../support/python-environment.ts'
import { until } from '../support/until.ts'
import { sampleOf } from '../support/whole-suite.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const CLIENT = '00f067aa0ba902b7'
const BINARY = { 'ce-specversion': '1.0', 'ce-type': 'com.example.paid', 'ce-source': '/shop' }

const FILES = {
  'node/order.ts': `import { call } from '@ryo-faas/runtime'
    export const Order = async (request: Request) => call('charge', { method: 'POST', body: await request.text() })`,
  'go/charge.go': `package shop

import (
	"fmt"
	"io"
	"net/http"

	faas "github.com/ryo-faas/ryo-faas/runtime/go"
)

func Charge(w http.ResponseWriter, r *http.Request) {
	callback, _ := io.ReadAll(r.Body)
	made, err := faas.Store("charges").Create(r.Context(), "", map[string]any{"callback": string(callback)})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	fmt.Fprint(w, made.ID)
}
`,
  'python/bill.py': `from ryo_faas import call


def Bill(event):
    call('notify', method='POST', headers={'x-callback-url': event.after.data['callback']}, body=event.id)
`,
  'node/notify.ts': `export const Notify = async (request: Request) => new Response('billed ' + (await request.text()))`,

  // What each saw of an event, in the same words.
  'node/in-node.ts': `import { publish, store, type CloudEvent } from '@ryo-faas/runtime'
    export const InNode = async ({ id, source, subject, data, own }: CloudEvent) => {
      const bytes = data instanceof Uint8Array ? [...data] : undefined
      const seen = { id, source, subject: subject ?? null, own: own ?? null, data: bytes ?? data ?? null }
      await store('seen').replace('node ' + id, seen)
    }
    export const ByNode = async () => {
      await publish({ type: 'com.example.paid', id: 'by node', subject: 's', own: 'x', data: { amount: 7 } })
      return new Response('published')
    }`,
  'go/events/events.go': `package events

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	faas "github.com/ryo-faas/ryo-faas/runtime/go"
)

func text(value any) any {
	if value == "" {
		return nil
	}
	return value
}

func InGo(ctx context.Context, event faas.CloudEvent) error {
	var data any
	if event.Data != nil && json.Unmarshal(event.Data, &data) != nil {
		if data = string(event.Data); event.DataContentType == "application/octet-stream" {
			bytes := []int{}
			for _, each := range event.Data {
				bytes = append(bytes, int(each))
			}
			data = bytes
		}
	}
	seen := map[string]any{"id": event.ID, "source": event.Source, "subject": text(event.Subject), "own": event.Extensions["own"], "data": data}
	_, err := faas.Store("seen").Replace(ctx, "go "+event.ID, seen)
	return err
}

func ByGo(w http.ResponseWriter, r *http.Request) {
	err := faas.Publish(r.Context(), faas.CloudEvent{
		Type: "com.example.paid", ID: "by go", Subject: "s", Data: []byte(\`{"amount":7}\`), Extensions: map[string]any{"own": "x"},
	})
	if err == nil {
		err = faas.Publish(r.Context(), faas.CloudEvent{Type: ""})
	}
	fmt.Fprint(w, err)
}
`,
  'python/events.py': `import asyncio

from ryo_faas import PublishError, publish, store


def InPython(event):
    keep('python ', event)


def keep(by, event):
    data = list(event.data) if isinstance(event.data, bytes) else event.data
    own = event.attributes.get('own')
    seen = {'id': event.id, 'source': event.source, 'subject': event.subject, 'own': own, 'data': data}
    store('seen').replace(by + event.id, seen)


async def in_service(event, context):
    await asyncio.to_thread(keep, 'service ', event)


def main(service):
    service.on_event('com.example.*', in_service, source='/*')
    service.on_event('com.other', InPython)


def ByPython(request):
    publish({'type': 'com.example.paid', 'id': 'by python', 'subject': 's', 'own': 'x', 'data': {'amount': 7}})
    try:
        return publish([{'type': ''}])
    except PublishError as error:
        return f'{error.status} {error.code} {error}'
`,
  // As they are written for any server; each with the packages that it names.
  'flask/app.py': `from flask import Flask, request

app = Flask(__name__)


@app.post('/orders/<int:number>')
def order(number):
    return {'number': number, 'given': request.get_json()}, 201
`,
  'flask/requirements.txt': 'flask>=2\n',
  'fastapi/app.py': `from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Given(BaseModel):
    amount: int


@app.post('/orders/{number}', status_code=201)
async def order(number: int, given: Given):
    return {'number': number, 'given': given}
`,
  'fastapi/pyproject.toml': '[project]\nname = "shop"\nversion = "1"\ndependencies = ["fastapi"]\n',
  'program/server.py': `import base64, json, os, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers['content-length'])))
        binary = event.get('data_base64')
        seen = {name: event.get(name) for name in ('id', 'source', 'subject', 'own', 'data')}
        if binary is not None:
            seen['data'] = list(base64.b64decode(binary))
        url = os.environ['RYO_FAAS_STORE_URL'] + '/tables/seen/docs/program%20' + urllib.request.quote(event['id'])
        headers = {'content-type': 'application/json', 'authorization': 'Bearer ' + os.environ['RYO_FAAS_TOKEN']}
        urllib.request.urlopen(urllib.request.Request(url, json.dumps({'data': seen}).encode(), headers, method='PUT'))
        self.send_response(204)
        self.end_headers()

ThreadingHTTPServer(('', int(os.environ['PORT'])), Handler).serve_forever()
`,
}

const onEvents = (durable: string) => [
  { kind: 'event', type: 'com.example.*' },
  { kind: 'nats', server: 'ORDERS_NATS', subject: 'orders.>', durable, deliver: 'all' },
]
const DEPLOY = [
  { name: 'Order', packageDir: './node', filePath: './node/order.ts' },
  { name: 'Notify', packageDir: './node', filePath: './node/notify.ts', async: true },
  { name: 'Charge', packageDir: './go', filePath: './go/charge.go' },
  {
    name: 'Bill',
    packageDir: './python',
    filePath: './python/bill.py',
    on: [{ table: 'charges', events: ['new-doc'] }],
  },
  { name: 'InNode', packageDir: './node', filePath: './node/in-node.ts', on: onEvents('node') },
  { name: 'ByNode', packageDir: './node', filePath: './node/in-node.ts' },
  { name: 'InGo', packageDir: './go/events', filePath: './go/events/events.go', on: onEvents('go') },
  { name: 'ByGo', packageDir: './go/events', filePath: './go/events/events.go' },
  { name: 'InPython', packageDir: './python', filePath: './python/events.py', on: onEvents('python') },
  { name: 'PythonService', packageDir: './python', filePath: './python/events.py', mainProcess: true },
  { name: 'ByPython', packageDir: './python', filePath: './python/events.py' },
  { name: 'InFlask', packageDir: './flask', filePath: './flask/app.py', export: 'app' },
  { name: 'InFastApi', packageDir: './fastapi', filePath: './fastapi/app.py', export: 'app' },
  { name: 'Program', packageDir: './program', command: ['python3', 'server.py'], on: onEvents('program') },
]
const RECEIVERS = ['node', 'go', 'python', 'service', 'program']

describe.each(sampleOf(['process', 'docker']))('functions in several languages with %s', engine => {
  let platform: TestPlatform
  let proxyUrl: string
  let callbacks: Server
  let orders: TheirServer
  let called: { traceparent: string; body: string } | undefined
  beforeAll(async () => {
    callbacks = createServer(async (request, response) => {
      let body = ''
      for await (const piece of request) body += String(piece)
      called = { traceparent: request.headers['traceparent'] as string, body }
      response.end()
    })
    await new Promise<void>(resolve => callbacks.listen(0, '127.0.0.1', resolve))
    platform = await TestPlatform.make({ ...PYTHON_ENVIRONMENT, GOCACHE: GO_CACHE })
    proxyUrl = (await platform.start(engine, ['--callback-allow', '127.0.0.1'])).proxyUrl
    const project = join(platform.home, 'project')
    for (const [path, content] of Object.entries({ ...FILES, 'deploy.json': JSON.stringify({ deploy: DEPLOY }) })) {
      await mkdir(dirname(join(project, path)), { recursive: true })
      await writeFile(join(project, path), content)
    }
    const refused = await platform.cli(['deploy', project])
    expect([refused.code, refused.stdout + refused.stderr]).toEqual([
      ...[1, expect.stringContaining('InNode needs the secret ORDERS_NATS')],
    ])
    orders = await TheirServer.start()
    await orders.stream('ORDERS', 'orders.>')
    await platform.ok(['secrets', 'set', 'ORDERS_NATS'], { input: orders.url })
    await platform.ok(['deploy', project])
  })
  afterAll(async () => {
    await platform.remove()
    await orders.stop()
    callbacks.close()
  })

  test('a function in Node, one in Go, the store, its trigger in Python and a callback are one trace', async () => {
    const answer = await fetch(`${proxyUrl}/functions/order`, {
      method: 'POST',
      headers: { traceparent: `00-${TRACE}-${CLIENT}-01`, tracestate: 'own=1' },
      body: `http://127.0.0.1:${(callbacks.address() as AddressInfo).port}/done`,
    })
    expect(answer.status).toBe(200)
    const charge = await answer.text()
    await until(async () => called)
    expect(called!.body).toBe(`billed ${charge}`)

    const chain: [name: string, service: string][] = [
      ['POST /functions/order', 'ryo-faas-proxy'],
      ['Order', 'Order'],
      ['call charge', 'Order'],
      ['POST /functions/charge', 'ryo-faas-proxy'],
      ['Charge', 'Charge'],
      ['store POST', 'Charge'],
      ['create charges', 'ryo-faas-store'],
      ['process bill', 'ryo-faas-dispatcher'],
      ['POST /functions/bill', 'ryo-faas-proxy'],
      ['Bill', 'Bill'],
      ['call notify', 'Bill'],
      ['POST /functions/notify', 'ryo-faas-proxy'],
      ['send notify', 'ryo-faas-proxy'],
      ['process notify', 'ryo-faas-dispatcher'],
    ]
    // Below the last: the attempt's way to the function, and its callback.
    const ends = [
      [
        ['POST /functions/notify', 'ryo-faas-proxy'],
        ['Notify', 'Notify'],
      ],
      [['POST callback', 'ryo-faas-dispatcher']],
    ] as [name: string, service: string][][]
    const agent = await platform.client()
    const spans = await until(async () => {
      const found = await agent.call('trace', { params: { id: TRACE } }).catch(() => undefined)
      return found !== undefined && found.spans.length >= chain.length + 3 ? found.spans : undefined
    })
    const follow = (from: string, steps: [name: string, service: string][]): SpanView => {
      let parent = from
      let last: SpanView | undefined
      for (const [name, service] of steps) {
        const found = spans.filter(
          span => span.name === name && span.service === service && span.parentSpanId === parent,
        )
        expect(found, `${name} of ${service}`).toHaveLength(1)
        last = found[0]!
        parent = last.spanId
      }
      return last!
    }
    const attempt = follow(CLIENT, chain)
    follow(attempt.spanId, ends[0]!)
    expect(called!.traceparent).toBe(`00-${TRACE}-${follow(attempt.spanId, ends[1]!).spanId}-01`)
    // There is nothing else in it.
    expect(spans).toHaveLength(chain.length + 3)
  })

  const seen = async (id: string, receivers = RECEIVERS): Promise<unknown[]> => {
    const store = await platform.store()
    return until(async () => {
      const found = await Promise.all(
        receivers.map(async receiver => {
          const response = await store(`/tables/seen/docs/${encodeURIComponent(`${receiver} ${id}`)}`)
          return response.ok ? ((await response.json()) as { data: unknown }).data : undefined
        }),
      )
      return found.includes(undefined) ? undefined : found
    })
  }
  const same = (event: object) => RECEIVERS.map(() => event)
  const post = async (headers: Record<string, string>, body: BodyInit) => {
    const answer = await fetch(`${proxyUrl}/events`, { method: 'POST', headers, body })
    expect(answer.status, await answer.text()).toBe(202)
  }

  test('each gets the same event in binary, structured and batch mode: JSON, text, bytes and none', async () => {
    const json = { 'content-type': 'application/json' }
    await post({ ...BINARY, ...json, 'ce-id': 'binary%20%C3%A4', 'ce-subject': 's', 'ce-own': 'x' }, '{"amount":7}')
    const event = { source: '/shop', subject: 's', own: 'x', data: { amount: 7 } }
    expect(await seen('binary ä')).toEqual(same({ ...event, id: 'binary ä' }))

    const structured = { specversion: '1.0', type: 'com.example.paid', ...event }
    const mode = (kind: string) => ({ 'content-type': `application/cloudevents${kind}+json` })
    await post(mode(''), JSON.stringify({ ...structured, id: 'structured', own: true }))
    expect(await seen('structured')).toEqual(same({ ...event, id: 'structured', own: true }))

    const bare = { specversion: '1.0', type: 'com.example.paid', source: '/shop' }
    const batch = [
      { ...bare, id: 'text', datacontenttype: 'text/plain', data: 'words' },
      { ...bare, id: 'bytes', datacontenttype: 'application/octet-stream', data_base64: 'AP8=' },
      { ...bare, id: 'none' },
    ]
    await post(mode('-batch'), JSON.stringify(batch))
    const plain = { source: '/shop', subject: null, own: null }
    expect(await seen('text')).toEqual(same({ ...plain, id: 'text', data: 'words' }))
    expect(await seen('bytes')).toEqual(same({ ...plain, id: 'bytes', data: [0, 255] }))
    expect(await seen('none')).toEqual(same({ ...plain, id: 'none', data: null }))
  })

  test('each gets the same event from a NATS server of the user, which is what the platform shows', async () => {
    const headers = { 'ce-specversion': '1.0', 'ce-id': 'sent', 'ce-source': '/shop', 'ce-type': 'paid', 'ce-own': 'x' }
    await orders.send('orders.new', '{"amount":7}', { ...headers, 'content-type': 'application/json' })
    const receivers = ['node', 'go', 'python', 'program']
    const event = { id: 'sent', source: '/shop', subject: null, own: 'x', data: { amount: 7 } }
    expect(await seen('sent', receivers)).toEqual(receivers.map(() => event))
    await until(async () => (await orders.consumer('ORDERS', 'node')).num_ack_pending === 0 || undefined)
    expect(await platform.ok(['details', 'InNode'])).toContain('on NATS orders.> at ORDERS_NATS, durable node')
  })

  test.each(['inflask', 'infastapi'])('an app of a framework is served as it is (%s)', async name => {
    const send = (path: string, body: object) =>
      fetch(`${proxyUrl}/functions/${name}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    const made = await send('/orders/7', { amount: 3 })
    expect([made.status, await made.json()]).toEqual([201, { number: 7, given: { amount: 3 } }])
    expect((await send('/orders/seven', { amount: 3 })).status).toBe(name === 'inflask' ? 404 : 422)
  })

  test('what a function publishes reaches all, whatever it is written in', async () => {
    const answers = await Promise.all(
      ['bynode', 'bygo', 'bypython'].map(async name => (await fetch(`${proxyUrl}/functions/${name}`)).text()),
    )
    expect(answers[0]).toBe('published')
    expect(answers[1]).toMatch(/^faas\.Publish: .*type/)
    expect(answers[2]).toMatch(/^400 BAD_REQUEST publish\(\): .*type/)
    for (const by of ['node', 'go', 'python']) {
      const event = { id: `by ${by}`, source: `/functions/by${by}`, subject: 's', own: 'x', data: { amount: 7 } }
      expect(await seen(`by ${by}`)).toEqual(same(event))
    }
  })
})
