/** The examples of a language on a whole platform: from deploy.json to answers, events, calls and traces. */
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EXAMPLES, TestPlatform } from '../support/platform.ts'
import { until } from '../support/until.ts'

export interface ExamplesUnderTest {
  engines: readonly ('process' | 'docker')[]
  /** Below `examples`. */
  folder: string
  environment: NodeJS.ProcessEnv
  /** Changes the copy that is deployed. */
  prepare?(folder: string): Promise<void>
  /** The file with `Hello, World!`, what breaks it, and what is said then. */
  edit: { path: string; broken: { replacement: [string, string]; problem: RegExp } }
}

export function examplesContract(name: string, under: ExamplesUnderTest): void {
  describe.each(under.engines)(`the examples in ${name} with functions as %s`, engine => {
    let platform: TestPlatform
    let proxyUrl: string
    let examples: string
    const call = (path: string, init?: RequestInit) => fetch(`${proxyUrl}/functions/${path}`, init)

    beforeAll(async () => {
      platform = await TestPlatform.make(under.environment)
      proxyUrl = (await platform.start(engine)).proxyUrl
      examples = join(platform.home, 'examples')
      await cp(join(EXAMPLES, under.folder), examples, { recursive: true })
      await under.prepare?.(examples)
      await platform.ok(['deploy', examples])
    })
    afterAll(() => platform.remove())

    test('a handler answers, and one calls another as part of its trace', async () => {
      expect(await (await call('helloworld')).text()).toBe('Hello, World!\n')
      const body = JSON.stringify({ data: '/functions/method2' })
      const answer = await call('method1', { method: 'POST', body })
      expect([answer.status, await answer.text()]).toEqual([202, 'Accepted at method 2\nAccepted at method 1\n'])
      const traceId = answer.headers.get('x-request-id')!
      const shown = await until(async () => {
        const found = await platform.cli(['traces', 'show', traceId])
        return ['Method1', 'call method2', 'Method2'].every(span => found.stdout.includes(span))
          ? found.stdout
          : undefined
      })
      expect(shown).toContain('Method2')
    })

    test('an asynchronous call runs once it is accepted, and its result is kept', async () => {
      const accepted = await call('methodasync', { method: 'POST', body: 'a report' })
      expect(accepted.status).toBe(202)
      const { callId } = (await accepted.json()) as { callId: string }
      const result = await until(async () => {
        const response = await fetch(`${proxyUrl}/calls/${callId}/result`)
        return response.status === 200 ? response.text() : undefined
      })
      expect(result).toBe(`call ${callId}, attempt 1: a report\n`)
      expect(await platform.ok(['logs', 'MethodAsync'])).toContain('step 2 of 2')
    })

    test('a combination writes to the store, and its events reach it', async () => {
      const id = 'some-known-id'
      expect(await (await call(`database-events/pay?id=${id}`)).text()).toBe(`${id}\n`)
      await until(async () => {
        const lines = await platform.ok(['logs', 'Database-events'])
        return [`invoice for ${id}`, `e-mail about ${id}: `, `watched ${id} is at version 2`].every(line =>
          lines.includes(line),
        )
          ? true
          : undefined
      })
      expect(await (await call('database-events/get')).json()).toMatchObject([
        { id, version: 2, data: { invoice: expect.stringContaining(`paid with ${id}`) as unknown } },
      ])
      expect(await (await call('database-events/nothing')).json()).toMatchObject({
        error: { code: 'HANDLER_NOT_FOUND' },
      })
    })

    test('what a function says about itself is in its trace', async () => {
      const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
      const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01`, baggage: 'username=Ada%20L' }
      const answer = await call('methodwithotel', { headers })
      expect([answer.status, await answer.text()]).toEqual([202, `Hello, Ada L! Your trace is ${traceId}\n`])
      const agent = await platform.client()
      const spans = await until(async () => {
        const trace = JSON.stringify(await agent.call('trace', { params: { id: traceId } }).catch(() => ''))
        return trace.includes('handling this') ? trace : undefined
      })
      expect(spans).toContain('Ada L')
    })

    test('an edit is built and answers; an error in it is found before anything changes', async () => {
      const { path, broken } = under.edit
      const file = join(examples, path)
      const code = await readFile(file, 'utf8')
      await writeFile(file, code.replace('Hello, World!', 'Hello again!'))
      await platform.ok(['deploy', examples, '--only', 'HelloWorld'])
      expect(await (await call('helloworld')).text()).toBe('Hello again!\n')
      await writeFile(file, code.replace(...broken.replacement))
      const failed = await platform.cli(['deploy', examples, '--only', 'HelloWorld'])
      expect(failed.code).toBe(1)
      expect(failed.stdout + failed.stderr).toMatch(broken.problem)
      expect(await (await call('helloworld')).text()).toBe('Hello again!\n')
    })
  })
}
