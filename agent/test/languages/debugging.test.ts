/** Functions in Go and Python under their debuggers, on a platform with processes, with a client as editors are. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DeployEvent } from '../../src/contract/index.ts'
import { DebugClient } from '../support/debug-client.ts'
import { GO_CACHE } from '../support/go-cache.ts'
import { TestPlatform } from '../support/platform.ts'
import { PYTHON_ENVIRONMENT } from '../support/python-environment.ts'
import { sampleOf } from '../support/whole-suite.ts'

const FILES = {
  'go/hello.go': `package hello

import (
	"fmt"
	"net/http"
)

func InGo(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")
	fmt.Fprintf(w, "hello %s", name)
}
`,
  'python/hello.py': `def InPython(request):
    name = request.query['name']
    return f'hello {name}'
`,
}
const DEPLOY = [
  { name: 'InGo', packageDir: './go', filePath: './go/hello.go' },
  { name: 'InPython', packageDir: './python', filePath: './python/hello.py' },
]

let platform: TestPlatform
let project: string
let proxyUrl: string
beforeAll(async () => {
  platform = await TestPlatform.make({ ...PYTHON_ENVIRONMENT, GOCACHE: GO_CACHE })
  proxyUrl = (await platform.start('process')).proxyUrl
  project = join(platform.home, 'project')
  for (const [path, content] of Object.entries({ ...FILES, 'deploy.json': JSON.stringify({ deploy: DEPLOY }) })) {
    await mkdir(dirname(join(project, path)), { recursive: true })
    await writeFile(join(project, path), content)
  }
})
afterAll(() => platform.remove())

async function deployForDebugger(name: string) {
  const answer = await platform.ok(['deploy', project, '--only', name, '--debug', '--json'])
  const { deployed } = JSON.parse(answer) as { deployed: Extract<DeployEvent, { type: 'deployed' }>[] }
  const { debugPort: port, debugPaths: paths } = deployed[0]!
  return { port: port!, paths: paths! }
}

interface Debugger {
  name: string
  file: string
  line: number
  value: string
  protocol: 'delve' | 'debugpy'
}

const DEBUGGERS: readonly [Debugger, Debugger] = [
  { name: 'InGo', file: 'go/hello.go', line: 10, value: '"you"', protocol: 'delve' },
  { name: 'InPython', file: 'python/hello.py', line: 3, value: "'you'", protocol: 'debugpy' },
]

describe.each(sampleOf(DEBUGGERS))('$name', ({ name, file, line, value, protocol }) => {
  test('stops at a breakpoint, shows a variable, continues, and is as before after a normal deploy', async () => {
    const { port, paths } = await deployForDebugger(name)
    expect(paths.protocol).toBe(protocol)
    const call = async () => (await fetch(`${proxyUrl}/functions/${name.toLowerCase()}?name=you`)).text()
    expect(await call()).toBe('hello you')

    const client = await DebugClient.connect(port)
    try {
      await client.ask('initialize', { adapterID: protocol, linesStartAt1: true, pathFormat: 'path' })
      const mapping = { localRoot: paths.sourceRoot, remoteRoot: paths.remoteRoot }
      client.send('attach', protocol === 'delve' ? { mode: 'remote' } : { pathMappings: [mapping] })
      await client.event('initialized')
      const source = { path: join(project, file) }
      const { breakpoints } = await client.ask('setBreakpoints', { source, breakpoints: [{ line }] })
      expect(breakpoints).toMatchObject([{ verified: true, line }])
      await client.ask('configurationDone')

      const answer = call()
      const { threadId } = await client.event('stopped')
      const { stackFrames } = await client.ask('stackTrace', { threadId, levels: 1 })
      const [frame] = stackFrames as { id: number; line: number; source: { path: string } }[]
      expect(frame).toMatchObject({ line, source })
      const { result } = await client.ask('evaluate', { expression: 'name', frameId: frame!.id, context: 'watch' })
      expect(result).toBe(value)
      // Delve keeps them when a client has left.
      await client.ask('setBreakpoints', { source, breakpoints: [] })
      await client.ask('continue', { threadId })
      expect(await answer).toBe('hello you')
      await client.ask('disconnect', { terminateDebuggee: false })
    } finally {
      client.close()
    }
    expect(await call()).toBe('hello you')
    await platform.ok(['deploy', project, '--only', name])
    expect((await platform.details(name)).debugPort).toBeUndefined()
    expect(await call()).toBe('hello you')
  })
})
