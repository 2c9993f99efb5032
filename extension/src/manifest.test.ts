/** The manifest and the code name the same things. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { deployFileJsonSchema } from 'ryo-faas/contract'
import { COMMANDS } from './commands/register-commands.ts'
import { ENGINE_WITHOUT_CONTAINERS } from './editor/settings.ts'

interface Manifest {
  icon: string
  contributes: {
    commands: { command: string; title: string; category: string }[]
    menus: Record<string, { command?: string; submenu?: string }[]>
    keybindings: { command: string }[]
    configuration: { properties: Record<string, { enum?: string[] }> }
    views: Record<string, { id: string }[]>
    viewsWelcome: { contents: string; view: string }[]
    walkthroughs: { steps: { description: string; media: { image: string } }[] }[]
  }
  capabilities: { untrustedWorkspaces: { restrictedConfigurations: string[] } }
}

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const text = (path: string) => readFileSync(at(path), 'utf8')
const manifest = JSON.parse(text('../package.json')) as Manifest
const { contributes } = manifest
const ids = contributes.commands.map(({ command }) => command)

function sources(folder = at('.'), ending = '.ts'): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith(ending) && !path.endsWith('.test.ts'))
    .map(path => readFileSync(`${folder}/${path}`, 'utf8'))
    .join('\n')
}

test('the manifest and the table name the same commands, each once', () => {
  expect(ids.sort()).toEqual(COMMANDS.map(({ id }): string => id).sort())
})

test('what the menu of a row offers is a command of rows, unless it means the same without one', () => {
  const rows = new Set(COMMANDS.filter(({ row }) => row).map(({ id }): string => id))
  const offered = contributes.menus['view/item/context']!.map(({ command }) => command!)
  const others = new Set(offered.filter(id => !rows.has(id)))
  expect([...others].sort()).toEqual(['ryo-faas.newDocument', 'ryo-faas.redriveAllCalls'])
})

test('menus, keys, welcome texts and the walkthrough run commands that there are', () => {
  const used = [...Object.values(contributes.menus).flat(), ...contributes.keybindings].flatMap(
    ({ command }) => command ?? [],
  )
  const texts = [
    ...contributes.viewsWelcome.map(({ contents }) => contents),
    ...contributes.walkthroughs.flatMap(({ steps }) => steps.map(({ description }) => description)),
  ]
  for (const [, id] of texts.join('\n').matchAll(/command:([\w.-]+)/g)) used.push(id!)
  const code = sources()
  for (const [, id] of code.matchAll(/'(ryo-faas\.[a-z]\w+)'/gi)) {
    if (!/^ryo-faas\.(?:functions|calls|store|platform|status|environment|server|js)$/.test(id!)) used.push(id!)
  }
  const ours = used.filter(id => id.startsWith('ryo-faas.'))
  expect(ours.filter(id => !ids.includes(id))).toEqual([])
})

test('settings that are read are described, and what is described is read', () => {
  const read = [...text('editor/settings.ts').matchAll(/#(?:get|path)(?:<[^(]*>)?\('([\w.]+)'/g)].map(
    ([, name]) => `ryo-faas.${name}`,
  )
  expect(Object.keys(contributes.configuration.properties).sort()).toEqual([...new Set(read)].sort())
  for (const name of manifest.capabilities.untrustedWorkspaces.restrictedConfigurations) expect(read).toContain(name)
})

test('the engine that is set for machines without Docker is one that can be chosen', () => {
  expect(contributes.configuration.properties['ryo-faas.engine']!.enum).toContain(ENGINE_WITHOUT_CONTAINERS)
})

test('the pictures that are shown are there', () => {
  const readme = [...text('../README.md').matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)].map(([, path]) => path!)
  const steps = contributes.walkthroughs.flatMap(({ steps: all }) => all.map(({ media }) => media.image))
  for (const path of [manifest.icon, ...readme, ...steps])
    expect([path, existsSync(at(`../${path}`))]).toEqual([path, true])
})

test('every code of the checkers is explained', () => {
  const inTypeScript = /(?:code: |problem\([^)]*?)'([a-z]+(?:-[a-z]+)+)'/g
  const checkers = [
    [sources(at('../../agent/src/languages/node/checker')), inTypeScript],
    [sources(at('../../agent/src/languages/command')), inTypeScript],
    [sources(at('../../agent/src/languages/python')), inTypeScript],
    [
      sources(at('../../runtime/go/cmd/check'), '.go'),
      /(?:problemIn|\.at)\([^\n]*?"([a-z]+(?:-[a-z]+)+)"|\bcode(?:, hint)? :?= "([a-z-]+)"/g,
    ],
    [text('../../runtime/python/check.py'), /\((?:[^()\n]*, )?'([a-z]+(?:-[a-z]+)+)', /g],
  ] as const
  const rules = text('../docs/rules.md')
  for (const [code, pattern] of checkers) {
    const codes = [...code.matchAll(pattern)].map(([, first, second]) => (first ?? second)!)
    expect(codes.length).toBeGreaterThan(2)
    for (const each of codes) expect(rules).toContain(`## ${each}\n`)
  }
})

test('the schema of deploy.json that the editor uses is the one of the contract', () => {
  expect(JSON.parse(text('../schemas/deploy.schema.json'))).toEqual(JSON.parse(JSON.stringify(deployFileJsonSchema())))
})
