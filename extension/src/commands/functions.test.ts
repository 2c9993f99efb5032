import { expect, test } from 'vitest'
import { AgentClient } from 'ryo-faas/client'
import { RyoFaasError } from 'ryo-faas/contract'
import { thisMachine, unknownMachine } from '../agent/machine.ts'
import { FakeEditor } from '../testing/fake-editor.ts'
import { FakeUi } from '../testing/fake-ui.ts'
import { deploymentView, platformView } from '../testing/views-of-platform.ts'
import { openInBrowser, openSource, rollback, stop } from './functions.ts'

/** A function that runs on a server, or on this machine. */
function stage(server: string | undefined, deployment = deploymentView()) {
  const called: unknown[] = []
  const opened: string[] = []
  const forwarded: number[] = []
  const ui = new FakeUi()
  const editor = new FakeEditor({
    Uri: { parse: (text: string) => text },
    env: {
      asExternalUri: async (uri: string) => uri,
      openExternal: async (uri: string) => opened.push(uri),
    },
  }).api
  const there = unknownMachine('shop', new RyoFaasError('SERVER_NOT_FOUND', 'not used'))
  class Client extends AgentClient {
    override call = async (name: string): Promise<never> => {
      called.push(name)
      return undefined as never
    }
  }
  const link = {
    ...{ server, deployment: () => deployment, refresh: async () => undefined },
    snapshot: { token: '', platform: platformView(), deployments: [deployment] },
    notRunning: () => new RyoFaasError('NOT_RUNNING', 'ryo-faas is not running'),
    client: async () => new Client({ url: 'http://127.0.0.1:1', token: '' }),
    machine: async () => ({
      ...(server === undefined ? thisMachine('/nowhere') : there),
      forward: async (port: number) => {
        forwarded.push(port)
        return { port: 4711, close: async () => undefined }
      },
    }),
  }
  const handlers = { sites: async () => [], lensSites: async () => [], problemsOf: async () => [] }
  // As much of the link as these commands use.
  return { parts: { editor, ui, link, handlers } as never, ui, called, opened, forwarded }
}

test('what destroys something on a server is done only after its name was read', async () => {
  const { parts, ui, called } = stage('shop')
  await expect(stop.run(parts, 'Hello')).rejects.toMatchObject({ code: 'CANCELLED' })
  await expect(rollback.run(parts, { subject: { kind: 'version', name: 'Hello', version: 2 } })).rejects.toThrow()
  expect([ui.asked, called]).toEqual([
    [
      ['Stop and remove Hello on the server shop?', 'Stop and Remove'],
      ['Roll Hello back to v2 on the server shop?', 'Roll Back'],
    ],
    [],
  ])
  ui.answers = ['Stop and Remove']
  await stop.run(parts, 'Hello')
  expect(called).toEqual(['stop'])
})

test('on this machine it is not asked', async () => {
  const { parts, ui, called } = stage(undefined)
  await stop.run(parts, 'Hello')
  expect([ui.asked, called]).toEqual([[], ['stop']])
})

test('a browser is led to the loopback of a server, and to a public address as it is', async () => {
  const there = stage('shop')
  await openInBrowser.run(there.parts, 'Hello')
  expect([there.opened, there.forwarded]).toEqual([['http://127.0.0.1:4711/functions/hello'], [9999]])
  const open = stage('shop', deploymentView({ url: 'https://shop.example/functions/hello' }))
  await openInBrowser.run(open.parts, 'Hello')
  expect([open.opened, open.forwarded]).toEqual([['https://shop.example/functions/hello'], []])
  const here = stage(undefined)
  await openInBrowser.run(here.parts, 'Hello')
  expect([here.opened, here.forwarded]).toEqual([['http://127.0.0.1:9999/functions/hello'], []])
})

test('a source that is only on the server is not looked for here', async () => {
  const { parts } = stage('shop', deploymentView({ filePath: 'shop:/srv/hello.ts' }))
  await expect(openSource.run(parts, 'Hello')).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
})
