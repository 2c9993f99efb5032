import type * as vscode from 'vscode'
import type { Problem } from 'ryo-faas/contract'
import type { Vscode } from '../editor.ts'
import type { Rules } from './rules.ts'

/** A problem as the editor shows it. One without an end reaches to the end of its line. */
export function toDiagnostic(editor: Vscode, rules: Rules, problem: Problem): vscode.Diagnostic {
  const { line, column, endLine = line, endColumn = endLine === line ? 1000 : 1 } = problem
  const range = new editor.Range(line - 1, column - 1, endLine - 1, endColumn - 1)
  const text = problem.hint ? `${problem.message}\n${problem.hint}` : problem.message
  const diagnostic = new editor.Diagnostic(range, text, editor.DiagnosticSeverity.Error)
  return Object.assign(diagnostic, { source: 'ryo-faas', code: rules.codeOf(problem.code) })
}
