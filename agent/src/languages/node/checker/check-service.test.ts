import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { pathToFileURL } from 'node:url'
import { createCheckService, type CheckServiceOptions, type WarmCheckService } from './check-service.ts'
import { temporaryPackage } from './testing/temporary-package.ts'

const folder = temporaryPackage({
  'web.ts': `export const web = (r: Request) => new Response(r.url)`,
  'node.js': `export function node(req, res) { res.end() }`,
  'none.ts': `export const other = 1`,
})
const services: WarmCheckService[] = []
afterEach(async () => {
  for (const service of services.splice(0)) await service.close()
})
afterAll(() => folder.remove())

function start(options?: CheckServiceOptions): WarmCheckService {
  const service = createCheckService(options)
  services.push(service)
  return service
}

const request = (name: string, file: string) =>
  ({ name, kind: 'http', packageDir: folder.dir, filePath: folder.path(file) }) as const

/** A process that dies when asked for `die`: `how` is the code that kills it, `died` the file that stops this. */
function dying(how: string, died: string): CheckServiceOptions {
  folder.write({
    'dying.mjs': `
      import { existsSync, writeFileSync } from 'node:fs'
      const types = JSON.parse(process.argv[2])
      process.on('message', ({ id, requests }) => {
        if (requests[0].name === 'die' && !existsSync(types.nodeTypes)) {
          writeFileSync(types.runtimeTypes, '')
          ${how}
        }
        process.send({ id, outcomes: requests.map(({ name }) => ({ kind: 'rejected', problems: [name] })) })
      })`,
  })
  const types = { runtimeTypes: folder.path('died'), nodeTypes: folder.path(died) }
  return { types, entry: pathToFileURL(folder.path('dying.mjs')), memoryMb: 16 }
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('the check service', () => {
  it('checks several functions at once, in order, and handles concurrent requests', async () => {
    const service = start()
    await service.warmUp()
    const all = service.check([request('web', 'web.ts'), request('none', 'none.ts'), request('node', 'node.js')])
    const one = service.check([request('node', 'node.js')])
    const broken = expect(
      service.check([{ ...request('web', 'web.ts'), filePath: 7 as never }]),
      'an error of the checker is passed on and does not end the process',
    ).rejects.toMatchObject({ code: 'INTERNAL' })
    const afterwards = service.check([request('web', 'web.ts')])
    expect(await all).toMatchObject([
      { kind: 'accepted', style: 'web' },
      { kind: 'rejected', problems: [{ code: 'no-such-export' }] },
      { kind: 'accepted', style: 'node' },
    ])
    expect(await one).toMatchObject([{ kind: 'accepted', style: 'node' }])
    await broken
    expect(await afterwards).toMatchObject([{ kind: 'accepted', style: 'web' }])
    expect(await service.check([])).toEqual([])
  })

  it('replaces a process that dies and retries unanswered requests', async () => {
    const service = start(dying('process.exit(3)', 'died'))
    const answers = ['first', 'die', 'last'].map(name => service.check([request(name, 'web.ts')]))
    expect(await Promise.all(answers)).toMatchObject([
      [{ problems: ['first'] }],
      [{ problems: ['die'] }],
      [{ problems: ['last'] }],
    ])
  })

  it('fails a request over which the process runs out of memory twice, and continues with the next', async () => {
    const service = start(dying('for (const all = []; ; ) all.push(new Array(100_000).fill(id))', 'never'))
    const fatal = expect(service.check([request('die', 'web.ts')])).rejects.toMatchObject({
      code: 'INTERNAL',
      message: expect.stringContaining('died twice'),
      cause: { message: 'the checker ran out of memory' },
    })
    const next = service.check([request('next', 'web.ts')])
    await fatal
    expect(await next).toMatchObject([{ problems: ['next'] }])
  })

  it('ends its process when idle, and starts another for the next request', async () => {
    folder.write({ 'pid.mjs': `process.on('message', ({ id }) => process.send({ id, outcomes: [process.pid] }))` })
    const service = start({ entry: pathToFileURL(folder.path('pid.mjs')), idleMs: 0 })
    const pid = async () => Number((await service.check([request('web', 'web.ts')]))[0])
    const first = await pid()
    await expect.poll(() => isThere(first)).toBe(false)
    expect(await pid()).not.toBe(first)
  })

  it('refuses new requests, and fails open ones, when it is closed', async () => {
    const service = start()
    const open = service.check([request('web', 'web.ts')])
    const failed = expect(open).rejects.toMatchObject({ code: 'CANCELLED' })
    await service.close()
    await failed
    await expect(service.check([request('web', 'web.ts')])).rejects.toMatchObject({ code: 'CANCELLED' })
    await service.close()
  })
})
