/** Turns trace ids in the logs of functions into links to their traces. */
import type * as vscode from 'vscode'
import type { Vscode } from '../editor/editor.ts'

/**
 * The proxy makes request ids of 32 hex digits that are trace ids too. They are in `[…]`, or in what the runtime says
 * of a failure: `Invocation <id> of hello failed`.
 */
const TRACE = /\[(?:\S+ trace=)?([0-9a-f]{32})\]|\bInvocation ([0-9a-f]{32})\b/g

export interface FoundTrace {
  id: string
  /** Where the id is in the line. */
  start: number
  end: number
}

/** Output channels of functions are made with the language `log`. */
export const LOG_DOCUMENTS = { language: 'log', scheme: 'output' }

export class TraceLinks implements vscode.DocumentLinkProvider {
  readonly #editor: Vscode

  constructor(editor: Vscode) {
    this.#editor = editor
  }

  provideDocumentLinks(document: vscode.TextDocument): vscode.DocumentLink[] {
    const { DocumentLink, Range, Uri } = this.#editor
    const links: vscode.DocumentLink[] = []
    for (let line = 0; line < document.lineCount; line += 1) {
      for (const { id, start, end } of traceIdsIn(document.lineAt(line).text)) {
        const target = Uri.parse(`command:ryo-faas.showTrace?${encodeURIComponent(JSON.stringify([id]))}`)
        const link = new DocumentLink(new Range(line, start, line, end), target)
        link.tooltip = 'Show the trace of this call'
        links.push(link)
      }
    }
    return links
  }
}

export function traceIdsIn(line: string): FoundTrace[] {
  return [...line.matchAll(TRACE)].map(match => {
    const id = (match[1] ?? match[2])!
    const start = match.index + match[0].lastIndexOf(id)
    return { id, start, end: start + id.length }
  })
}
