/**
 * Problems as the editor shows them. What a code means is explained in a file of the extension, so that the link works
 * without a network.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type * as vscode from 'vscode'
import type { Problem } from 'ryo-faas/contract'
import type { Vscode } from '../editor/editor.ts'

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
  /** A problem without an end reaches to the end of its line. */
  diagnosticOf(problem: Problem): vscode.Diagnostic {
    const { Diagnostic, DiagnosticSeverity, Range } = this.#editor
    const { line, column, endLine = line, endColumn = endLine === line ? 1000 : 1 } = problem
    const range = new Range(line - 1, column - 1, endLine - 1, endColumn - 1)
    const text = problem.hint ? `${problem.message}\n${problem.hint}` : problem.message
    const diagnostic = new Diagnostic(range, text, DiagnosticSeverity.Error)
    return Object.assign(diagnostic, { source: 'ryo-faas', code: this.codeOf(problem.code) })
  }
}
