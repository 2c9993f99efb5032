import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type * as vscode from 'vscode'
import { deployFileJsonSchema } from 'ryo-faas/contract'
import { register } from './extension.ts'

interface Manifest {
  contributes: { commands: { command: string }[] }
}

const read = (path: string) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as unknown

test('every command of the manifest is registered, and none beside', () => {
  const registered: string[] = []
  const editor = {
    commands: {
      registerCommand: (id: string) => {
        registered.push(id)
        return { dispose: () => undefined }
      },
    },
  } as unknown as typeof vscode
  register(editor, { subscriptions: [] })
  const { contributes } = read('../package.json') as Manifest
  expect(registered.sort()).toEqual(contributes.commands.map(({ command }) => command).sort())
})

test('the schema of deploy.json that the editor uses is the one of the contract', () => {
  expect(read('../schemas/deploy.schema.json')).toEqual(JSON.parse(JSON.stringify(deployFileJsonSchema())))
})
