import { expect, test } from 'vitest'
import type { Server, ServersFile } from 'ryo-faas/client'
import { RyoFaasError } from 'ryo-faas/contract'
import { thisMachine, unknownMachine } from '../agent/machine.ts'
import { FakeUi } from '../testing/fake-ui.ts'
import { chooseServer, confirmOnServer, mustBeHere } from './server.ts'

const SHOP: Server = { kind: 'https', url: 'https://shop.example', token: 't', addedAt: '' }

function stage({ isReady = true, added = {} }: { isReady?: boolean; added?: unknown } = {}) {
  const ui = new FakeUi()
  const chosen: (string | undefined)[] = []
  const ran: string[][] = []
  const file: ServersFile = { format: 1, current: 'shop', servers: { shop: SHOP } }
  const link = {
    isReady,
    server: undefined as string | undefined,
    refresh: async () => void (link.server = chosen.at(-1) === 'local' ? undefined : chosen.at(-1)),
    notRunning: () => new RyoFaasError('SERVER_UNREACHABLE', 'the server "shop" cannot be reached'),
  }
  const servers = { own: 'shop', known: async () => file, choose: async (name?: string) => void chosen.push(name) }
  const agent = {
    run: async (args: string[]) => {
      ran.push(args)
      return added
    },
  }
  return { ui, chosen, ran, choose: () => chooseServer.run({ ui, link, servers, agent }) }
}

test('this machine, the servers and the choice of the command line can be chosen', async () => {
  const { ui, chosen, choose } = stage()
  ui.answers = ['shop', 'This machine', 'As the command line']
  await choose()
  await choose()
  await choose()
  expect(ui.asked[0]).toEqual([
    'Where do functions run?',
    ...['This machine', 'shop', 'As the command line', '$(add) Add a server…'],
  ])
  expect(chosen).toEqual(['shop', 'local', undefined])
  expect(ui.said.slice(0, 2)).toEqual(['Functions run on the server shop now.', 'Functions run on this machine.'])
})

test('one that is added is chosen, and what the command line refuses is told', async () => {
  const { ui, chosen, ran, choose } = stage({ added: { name: 'prod' } })
  ui.answers = ['$(add) Add a server…', 'ann@prod.example']
  await choose()
  expect([ran, chosen]).toEqual([[['server', 'add', 'ann@prod.example']], ['prod']])
  const { validateInput } = ui.inputs[0]!
  expect(['ann@host', '--json', '', 'a b'].map(text => validateInput!(text) === undefined)).toEqual([
    true,
    false,
    false,
    false,
  ])
})

test('a choice that cannot be reached is kept, and said with its name', async () => {
  const { ui, chosen, choose } = stage({ isReady: false })
  ui.answers = ['shop']
  await expect(choose()).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' })
  expect(chosen).toEqual(['shop'])
})

const named = (name: string) => unknownMachine(name, new RyoFaasError('SERVER_NOT_FOUND', 'gone'))

test('what destroys something is asked about on a server alone, and not done on another one', async () => {
  const ui = new FakeUi()
  const ask = (...machines: ReturnType<typeof named>[]) =>
    confirmOnServer({ link: { machine: async () => machines.shift()! }, ui }, { question: 'Stop it', button: 'Stop' })
  await ask(thisMachine('/nowhere'))
  expect(ui.asked).toEqual([])
  await expect(ask(named('shop'))).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(ui.asked).toEqual([['Stop it on the server shop?', 'Stop']])
  ui.answers = ['Stop', 'Stop']
  await ask(named('shop'), named('shop'))
  await expect(ask(named('shop'), named('prod'))).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
})

test('the platform of a server is not started or stopped from here', async () => {
  await mustBeHere({ link: { machine: async () => thisMachine('/nowhere') } })
  await expect(mustBeHere({ link: { machine: async () => named('shop') } })).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringContaining('"shop"'),
  })
})
