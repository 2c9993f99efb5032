/**
 * Places in a text, as editors count: lines and UTF-16 units from 0. Plain data, so that the analysis worker can send
 * them.
 */
import type * as vscode from 'vscode'
import type { Vscode } from './editor.ts'

export interface Position {
  line: number
  character: number
}

export interface Range {
  start: Position
  end: Position
}

export function toRange(editor: Vscode, { start, end }: Range): vscode.Range {
  return new editor.Range(start.line, start.character, end.line, end.character)
}

export function isWithin({ start, end }: Range, { line, character }: Position): boolean {
  const isAfter = line > start.line || (line === start.line && character >= start.character)
  return isAfter && (line < end.line || (line === end.line && character <= end.character))
}
