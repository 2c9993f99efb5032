/**
 * The editor's side of ryo-faas. So far a shell: it registers the commands of the manifest and hands them to the
 * `ryo-faas` command line in a terminal. `activate` awaits nothing.
 */
import type * as vscode from 'vscode'

type Vscode = typeof vscode

const COMMANDS = { 'ryo-faas.startFaas': 'startFaas', 'ryo-faas.stopFaas': 'stopFaas' } as const

/** Everything that touches the editor, given the editor: so it can be tested without one. */
export function register(editor: Vscode, context: Pick<vscode.ExtensionContext, 'subscriptions'>): void {
  for (const [id, command] of Object.entries(COMMANDS)) {
    context.subscriptions.push(
      editor.commands.registerCommand(id, () => {
        const terminal = editor.window.createTerminal({ name: 'ryo-faas' })
        terminal.show()
        terminal.sendText(`npx ryo-faas ${command}`)
      }),
    )
  }
}
