/** Makes trace ids in the logs of functions links to their traces. */
import type * as vscode from 'vscode'
import type { Vscode } from '../editor.ts'
import { traceIdsIn } from './trace-ids.ts'

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
