/** Problems found so far, and their locations in the user's files. */
import { ts } from 'ts-morph'
import type { Problem } from '../../../contract/index.ts'

/** What a step returns instead of its result. */
export interface Finding {
  problem: Problem
}

export interface Said {
  code: string
  message: string
  hint?: string
}

export function problemAt(node: ts.Node, said: Said): Finding {
  const file = node.getSourceFile()
  if (node === file) return problemInFile(file.fileName, said)
  return { problem: { ...said, ...placeOf(file, node.getStart(file), node.getEnd()) } }
}

/** For problems without a location in the file, or without a file. */
export function problemInFile(file: string, said: Said): Finding {
  return { problem: { ...said, file, line: 1, column: 1 } }
}

export function syntaxProblem(diagnostic: ts.DiagnosticWithLocation): Problem {
  const { file, start, length, messageText } = diagnostic
  return {
    code: 'syntax-error',
    message: ts.flattenDiagnosticMessageText(messageText, '\n'),
    ...placeOf(file, start, start + length),
  }
}

function placeOf(file: ts.SourceFile, start: number, end: number): Omit<Problem, 'code' | 'message' | 'hint'> {
  const from = file.getLineAndCharacterOfPosition(start)
  const to = file.getLineAndCharacterOfPosition(end)
  return {
    file: file.fileName,
    line: from.line + 1,
    column: from.character + 1,
    endLine: to.line + 1,
    endColumn: to.character + 1,
  }
}
