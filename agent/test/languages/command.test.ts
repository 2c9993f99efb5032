/** Programs that know nothing of the platform, on a whole one: in C, in Python, and from a Dockerfile. */
import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestPlatform } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { sampleOf } from '../support/whole-suite.ts'

/** Answers with what it was asked, one connection after the other. */
const IN_C = (greeting: string) => `#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(getenv("PORT")))};
  int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 64)) return 1;
  for (;;) {
    int caller = accept(listener, 0, 0);
    char request[8192] = {0}, answer[512], path[256] = "";
    if (read(caller, request, sizeof request - 1) <= 0) { close(caller); continue; }
    sscanf(request, "%*s %255s", path);
    int length = snprintf(answer, sizeof answer, "${greeting} %s\\n", path);
    dprintf(caller, "HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n%s", length, answer);
    close(caller);
  }
}
`

const IN_PYTHON = `import json, os, signal, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def answer(self):
        body = self.rfile.read(int(self.headers.get('content-length', 0)))
        if self.path == '/exit':
            os._exit(3)
        if self.path.startswith('/.ryo-faas/events/'):
            event = json.loads(body)
            print('event', event['type'], event['data']['id'], flush=True)
            self.send_response(204)
            self.end_headers()
            return
        said = {'path': self.path, 'body': body.decode(), 'secret': os.environ.get('KEY'),
                'call': self.headers.get('x-call-id'), 'trace': self.headers.get('traceparent')}
        text = json.dumps(said).encode()
        self.send_response(200 if self.path != '/ready' else 204)
        self.send_header('content-length', '0' if self.path == '/ready' else str(len(text)))
        self.end_headers()
        if self.path != '/ready':
            self.wfile.write(text)

    do_GET = do_POST = do_PUT = answer

server = ThreadingHTTPServer(('', int(os.environ['PORT'])), Handler)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print('listening', flush=True)
server.serve_forever()
`

describe.each(sampleOf(['docker', 'process']))('programs as functions with %s', engine => {
  let platform: TestPlatform
  let proxyUrl: string
  let project: string
  const call = (path: string, init?: RequestInit) => fetch(`${proxyUrl}/functions/${path}`, init)
  const write = async (path: string, content: string) => {
    await mkdir(dirname(join(project, path)), { recursive: true })
    await writeFile(join(project, path), content)
  }
  const compile = (greeting: string, ...flags: string[]) =>
    execFileSync('gcc', ['-x', 'c', '-', ...flags], { input: IN_C(greeting), cwd: project })

  beforeAll(async () => {
    platform = await TestPlatform.make()
    proxyUrl = (await platform.start(engine)).proxyUrl
    project = join(platform.home, 'project')
    await write('static/notes.txt', 'a file')
    await write('linked/notes.txt', 'a file')
    await write('python/server.py', IN_PYTHON)
    compile('static at', '-static', '-o', 'static/server')
    compile('linked at', '-o', 'linked/server')
    const python = { packageDir: './python', command: ['python3', 'server.py'], readiness: '/ready' }
    const deploy = [
      { name: 'InC', packageDir: './static', command: ['./server'] },
      { name: 'Linked', packageDir: './linked', filePath: './linked/server', command: ['./server'] },
      { name: 'Served', ...python, secrets: ['KEY'] },
      { name: 'Queued', ...python, async: true },
      { name: 'Told', ...python, on: [{ table: 'orders', events: ['new-doc'] }] },
    ]
    await write('deploy.json', JSON.stringify({ deploy }))
    await platform.ok(['secrets', 'set', 'KEY'], { input: 'hidden' })
    await platform.ok(['deploy', project])
  })
  afterAll(() => platform.remove())

  test('they answer, with or without libraries, and a new build takes over', async () => {
    expect(await (await call('inc/a?b=1')).text()).toBe('static at /a?b=1\n')
    expect(await (await call('linked')).text()).toBe('linked at /\n')
    compile('again at', '-static', '-o', 'static/server')
    await platform.ok(['deploy', project, '--only', 'InC'])
    expect(await (await call('inc')).text()).toBe('again at /\n')
  })

  test('a program gets secrets, calls, traces and events, and its output is kept', async () => {
    const direct = await call('served/x', { method: 'POST', body: 'a body' })
    expect(await direct.json()).toMatchObject({ path: '/x', body: 'a body', secret: 'hidden', call: null })
    const accepted = await call('queued', { method: 'POST', body: 'later' })
    const { callId } = (await accepted.json()) as { callId: string }
    const result = await until(async () => {
      const response = await fetch(`${proxyUrl}/calls/${callId}/result`)
      return response.status === 200 ? ((await response.json()) as object) : undefined
    })
    expect(result).toMatchObject({ body: 'later', call: callId, trace: expect.stringMatching(/^00-/) as string })
    const store = await platform.store()
    const body = JSON.stringify({ id: 'a', data: {} })
    await store('/tables/orders/docs', { method: 'POST', body, headers: { 'content-type': 'application/json' } })
    const told = await until(async () => {
      const logs = await platform.ok(['logs', 'Told'])
      return logs.includes('event') ? logs : undefined
    })
    expect(told).toContain('listening')
    expect(told).toContain('event ryo-faas.store.new-doc a')
  })

  test('one that dies is started again', async () => {
    expect((await call('served/exit')).status).toBe(502)
    await until(async () => ((await call('served/x').catch(() => undefined))?.status === 200 ? true : undefined))
    // The next one may answer before it is written down why the last one ended.
    await expect.poll(async () => (await platform.details('Served')).lastExit?.reason).toBe('exited with code 3')
  })

  test('a package with a Dockerfile is built by Docker, and said to need it elsewhere', async () => {
    await write('image/Dockerfile', 'FROM scratch\nCOPY server /bin/here\nENTRYPOINT ["/bin/here"]\n')
    compile('from an image at', '-static', '-o', 'image/server')
    const deploy = [{ name: 'Imaged', packageDir: './image', dockerfile: true }]
    await write('image.json', JSON.stringify({ deploy }))
    const deployed = await platform.cli(['deploy', join(project, 'image.json')])
    if (engine === 'process') {
      expect(deployed.code).toBe(1)
      expect(deployed.stdout + deployed.stderr).toContain('a Dockerfile needs Docker')
      return
    }
    expect(deployed).toMatchObject({ code: 0 })
    expect(await (await call('imaged/')).text()).toBe('from an image at /\n')
    await write('image/Dockerfile', 'FROM scratch\nCOPY absent /bin/here\n')
    const failed = await platform.cli(['deploy', join(project, 'image.json')])
    expect([failed.code, failed.stdout + failed.stderr]).toEqual([
      1,
      expect.stringMatching(/could not be built.*absent/s),
    ])
    expect(await (await call('imaged/')).text()).toBe('from an image at /\n')
  })
})
