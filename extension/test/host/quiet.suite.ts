import { strict as assert } from 'node:assert'
import * as vscode from 'vscode'
import { extension, lenses, open } from './support.ts'

/** In a workspace that has to do with none of this. */
export function defineQuiet(): void {
  describe('a workspace without handlers', () => {
    it('costs nothing: no worker, and nobody asks for an agent', async () => {
      const { analysis, link } = await extension()
      const document = await open('src/shapes.ts')
      assert.deepEqual(await lenses(document), [])
      await vscode.commands.executeCommand(
        'vscode.executeCodeActionProvider',
        document.uri,
        new vscode.Range(0, 0, 1, 0),
      )
      assert.equal(analysis.isRunning, false)
      assert.equal(link.state.kind, 'unknown')
    })
  })
}
