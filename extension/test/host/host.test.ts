/** The suites of this folder, in the editor's own extension host, on the packaged extension. */
import { access } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bed, type Bed } from '../bed/bed.ts'
import { Editor } from '../bed/editor.ts'
import { runInHost } from '../bed/host-run.ts'
import { TestPlatform } from '../bed/platform.ts'

let made: Bed
let editor: Editor
beforeAll(async () => {
  made = await bed()
  editor = await Editor.start(made)
})
afterAll(() => editor?.close())

// All of them in one.
test('the first steps succeed inside the editor', async () => {
  const platform = await TestPlatform.make()
  try {
    const { extensions } = made
    const report = await runInHost(editor, { suite: 'first-steps', extensions, folder: platform.workspace })
    console.log(report.passed.map(title => `  in the editor: ${title}`).join('\n'))
    expect(report.failed).toEqual([])
    expect(report.pending).toEqual([])
    expect(report.passed.length).toBeGreaterThan(0)
  } finally {
    await platform.remove()
  }
}, 420_000)

test('a workspace without handlers costs nothing', async () => {
  const text = 'export interface Shape { sides: number }\nexport const area = (side: number) => side * side\n'
  const platform = await TestPlatform.make({ files: { 'src/shapes.ts': text } })
  try {
    const { extensions } = made
    const report = await runInHost(editor, { suite: 'quiet', extensions, folder: platform.workspace })
    expect(report.failed).toEqual([])
    expect(report.passed).toHaveLength(2)
    // A platform that was started leaves its home.
    await expect(access(platform.home)).rejects.toThrow()
  } finally {
    await platform.remove()
  }
})
