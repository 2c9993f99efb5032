import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FakeEditor } from '../testing/fake-editor.ts'
import { FakeUi } from '../testing/fake-ui.ts'
import { init } from './project.ts'

let folder: string
beforeEach(async () => void (folder = await realpath(await mkdtemp(join(tmpdir(), 'ryo-faas-project-')))))
afterEach(() => rm(folder, { recursive: true }))

/** A workspace of these folders, where somebody answers what is asked. */
function stage(folders: string[], { picked, name }: { picked?: string; name?: string } = {}) {
  const made: string[] = []
  const editor = new FakeEditor()
  editor.folders = folders
  editor.pickedFolder = picked
  const ui = new FakeUi()
  if (name !== undefined) ui.answers = [name]
  const create = () =>
    init.run({
      editor: editor.api,
      agent: {
        init: async path => {
          made.push(path)
          await mkdir(join(path, 'src'), { recursive: true })
          await writeFile(join(path, 'src', 'hello.ts'), '')
        },
      },
      projects: { reread: async () => undefined },
      ui,
    })
  return { create, made, ui }
}

test('a folder with nothing in it becomes the project', async () => {
  await mkdir(join(folder, '.vscode'))
  const { create, made, ui } = stage([folder])
  await create()
  expect([made, ui.inputs]).toEqual([[folder], []])
})

test('in a folder with something in it, a new folder is asked for', async () => {
  await mkdir(join(folder, 'taken'))
  await writeFile(join(folder, 'package.json'), '{}')
  const { create, made, ui } = stage([folder], { name: 'shop' })
  await create()
  expect(made).toEqual([join(folder, 'shop')])
  const [{ validateInput } = {}] = ui.inputs
  expect(['taken', '../out', '..', 'free'].map(text => validateInput?.(text) === undefined)).toEqual([
    false,
    false,
    false,
    true,
  ])
})

test('of several folders, the user chooses one; without a choice nothing is created', async () => {
  const [a, b] = [join(folder, 'a'), join(folder, 'b')]
  await Promise.all([mkdir(a), mkdir(b)])
  const chosen = stage([a, b], { picked: b })
  await chosen.create()
  expect(chosen.made).toEqual([b])
  const cancelled = stage([a, b])
  await expect(cancelled.create()).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(cancelled.made).toEqual([])
})
