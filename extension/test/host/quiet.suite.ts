import { strict as assert } from 'node:assert'
import * as vscode from 'vscode'
import { extension, lenses, open, replaceAll, until } from './support.ts'

const QUIET = 'export const area = (side: number) => side * side\n'
const HANDLER = 'export const hello = (request: Request): Response => new Response(request.url)\n'

/** In a workspace that has to do with none of this. */
export function defineQuiet(): void {
  describe('a workspace without handlers', () => {
    it('costs nothing: no worker, and no search for an agent', async () => {
      const { analysis, link } = await extension()
      const document = await open('src/shapes.ts')
      assert.deepEqual(await lenses(document), [])
      await replaceAll(document, QUIET)
      assert.deepEqual(await lenses(document), [])
      await vscode.commands.executeCommand(
        'vscode.executeCodeActionProvider',
        document.uri,
        new vscode.Range(0, 0, 1, 0),
      )
      assert.equal(analysis.isRunning, false)
      assert.equal(link.state.kind, 'unknown')
    })

    // So that the test above would see one.
    it('gets a worker with its first handler, and still no agent', async () => {
      const { analysis, link } = await extension()
      const document = await open('src/shapes.ts')
      await replaceAll(document, HANDLER)
      await until(async () => (await lenses(document)).length === 1)
      assert.equal(analysis.isRunning, true)
      await until(() => link.state.kind === 'absent')
      await vscode.commands.executeCommand('workbench.action.files.revert')
    })
  })
}
