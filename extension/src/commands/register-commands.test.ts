import { afterEach, beforeEach, expect, test } from 'vitest'
import { FakeEditor } from '../testing/fake-editor.ts'
import { FakeUi } from '../testing/fake-ui.ts'
import type { Parts } from './command.ts'
import { COMMANDS, registerCommands } from './register-commands.ts'

let editor: FakeEditor
let ui: FakeUi
let used: Set<string>
let registered: { dispose(): unknown }[]

beforeEach(() => {
  editor = new FakeEditor()
  ui = new FakeUi()
  used = new Set()
})
afterEach(() => registered.forEach(command => command.dispose()))

/** Tells which parts a command takes into its hands, and gives it none but editor and ui. */
function register(): void {
  const parts = new Proxy({ editor: editor.api, ui } as Partial<Parts> as Parts, {
    get: (target, name: keyof Parts) => {
      if (name in target) return target[name]
      used.add(name)
      throw new Error(`uses ${name}`)
    },
    ownKeys: target => Reflect.ownKeys(target),
  })
  registered = registerCommands(parts)
}

test('what deploys, starts or debugs, and what runs the agent at all, needs a workspace that is trusted', async () => {
  expect(COMMANDS.filter(({ needsTrust }) => needsTrust).map(({ id }) => id)).toEqual([
    'ryo-faas.startFaas',
    'ryo-faas.startWithoutContainers',
    'ryo-faas.stopFaas',
    'ryo-faas.restartFaas',
    'ryo-faas.pruneFaas',
    'ryo-faas.deploy',
    'ryo-faas.deployFile',
    'ryo-faas.deployAndDebug',
    'ryo-faas.chooseServer',
    'ryo-faas.init',
  ])
  editor.isTrusted = false
  register()
  for (const { id, needsTrust } of COMMANDS) {
    used.clear()
    ui.said.length = 0
    await editor.commands.get(id)!()
    expect([id, [...used].filter(name => name === 'agent' || name === 'deploys')]).toEqual([id, []])
    if (needsTrust) expect([id, ui.said, used.size]).toEqual([id, [expect.stringContaining('[Manage Trust]')], 0])
  }
})

test('a command of a row that lost its row says so, and takes nothing else for it', async () => {
  register()
  for (const { id } of COMMANDS.filter(({ row }) => row)) {
    ui.said.length = 0
    await editor.commands.get(id)!(undefined)
    expect([id, ui.said, used.size]).toEqual([id, ['the list has just changed. Please try again.'], 0])
  }
})
