import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FakeEditor, FakeUri } from '../testing/fake-editor.ts'
import type { Parts } from './parts.ts'
import { init } from './project.ts'

let folder: string
beforeEach(async () => void (folder = await realpath(await mkdtemp(join(tmpdir(), 'ryo-faas-project-')))))
afterEach(() => rm(folder, { recursive: true }))

/** A workspace of these folders, where somebody answers what is asked. */
function stage(folders: string[], { picked, name }: { picked?: string; name?: string } = {}) {
  const made: string[] = []
  const refused: (string | undefined)[] = []
  const { api } = new FakeEditor()
  const window = {
    ...api.window,
    showWorkspaceFolderPick: async () => picked && { uri: FakeUri.file(picked) },
    showInputBox: async ({ validateInput }: { validateInput(text: string): string | undefined }) => {
      refused.push(...['taken', '../out', '..'].map(validateInput))
      return name
    },
  }
  const workspaceFolders = folders.map(path => ({ uri: FakeUri.file(path) }))
  const workspace = { ...api.workspace, workspaceFolders, openTextDocument: async () => ({}) }
  const parts = {
    editor: { ...api, window, workspace },
    agent: { init: async (path: string) => void made.push(path) },
    projects: { reread: async () => undefined },
    ui: { progress: (_: string, run: (progress: unknown) => unknown) => run({}) },
  } as unknown as Parts
  return { parts, made, refused }
}

test('a folder with nothing in it becomes the project', async () => {
  await mkdir(join(folder, '.vscode'))
  const { parts, made, refused } = stage([folder])
  await init(parts, undefined)
  expect([made, refused]).toEqual([[folder], []])
})

test('in a folder with something in it, a new folder is asked for', async () => {
  await mkdir(join(folder, 'taken'))
  await writeFile(join(folder, 'package.json'), '{}')
  const { parts, made, refused } = stage([folder], { name: 'shop' })
  await init(parts, undefined)
  expect(made).toEqual([join(folder, 'shop')])
  expect(refused.every(why => why !== undefined)).toBe(true)
})

test('of several folders, the person says which; saying nothing makes nothing', async () => {
  const [a, b] = [join(folder, 'a'), join(folder, 'b')]
  await Promise.all([mkdir(a), mkdir(b)])
  const chosen = stage([a, b], { picked: b })
  await init(chosen.parts, undefined)
  expect(chosen.made).toEqual([b])
  const cancelled = stage([a, b])
  await expect(Promise.resolve(init(cancelled.parts, undefined))).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(cancelled.made).toEqual([])
})
