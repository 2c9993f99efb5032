/** Where it is explained what a code means: a file of the extension, so that the link works without a network. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type * as vscode from 'vscode'
import type { Vscode } from '../editor.ts'

export class Rules {
  readonly #editor: Vscode
  readonly #file: string
  #lines: string[] | undefined

  constructor(editor: Vscode, extensionPath: string) {
    this.#editor = editor
    this.#file = join(extensionPath, 'docs', 'rules.md')
  }

  /** The code of a diagnostic, linked to its heading. */
  codeOf(code: string): vscode.Diagnostic['code'] {
    this.#lines ??= readFileSync(this.#file, 'utf8').split('\n')
    const line = this.#lines.findIndex(text => text === `## ${code}`)
    if (line < 0) return code
    return { value: code, target: this.#editor.Uri.file(this.#file).with({ fragment: `L${line + 1}` }) }
  }
}
