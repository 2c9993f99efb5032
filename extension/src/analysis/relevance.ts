/**
 * Which documents may contain handlers of ours: all others are never looked at, and cost no worker. Decided by the text
 * and the files around it alone.
 */
import type * as vscode from 'vscode'
import type { Vscode } from '../editor/editor.ts'
import { isOfNode } from '../project/deploy-file.ts'
import type { DeployFiles } from '../project/deploy-files.ts'
import { isFile } from '../project/open-file.ts'
import { OtherFrameworks } from './package-folder.ts'

const LANGUAGES = new Set(['typescript', 'typescriptreact', 'javascript', 'javascriptreact'])
const MENTIONS =
  /\b(?:IncomingMessage|ServerResponse|Request|Response|DocumentEvent|CloudEvent|CloudEventHandler|HttpHandler|(?:Plain)?WebHandler|TriggerHandler|Service)\b/
/** What other platforms call a handler: their packages, their global, their server, and methods of a route module. */
const DIALECTS =
  /['"](?:express|connect|koa|fastify|hono|h3|graphql-yoga|@nestjs\/core|aws-lambda|@vercel\/node|@google-cloud\/functions-framework)['"]|\bawslambda\.|\bfetch\s*[(:]/
const EXPORTS = /\bexports?\b/

export interface RelevanceOptions {
  editor: Vscode
  projects: DeployFiles
  /** Also in projects of other frameworks. */
  isEverywhere(): boolean
}

export class Relevance {
  readonly #options: RelevanceOptions
  readonly #frameworks = new OtherFrameworks()

  constructor(options: RelevanceOptions) {
    this.#options = options
  }

  isRelevant(document: vscode.TextDocument): boolean {
    if (!mayHoldHandlers(document)) return false
    if (this.#options.projects.entriesOf(document.uri.fsPath).some(isOfNode)) return true
    const text = document.getText()
    return EXPORTS.test(text) && (MENTIONS.test(text) || DIALECTS.test(text)) && this.#isPerhapsOurs(document.uri, text)
  }

  /** Files around it have changed. */
  forget(): void {
    this.#frameworks.forget()
  }

  #isPerhapsOurs(uri: vscode.Uri, text: string): boolean {
    const { editor, projects, isEverywhere } = this.#options
    if (isEverywhere() || projects.covers(uri.fsPath) || text.includes('@ryo-faas/runtime')) return true
    return !this.#frameworks.hasFile(uri.fsPath, editor.workspace.getWorkspaceFolder(uri)?.uri.fsPath)
  }
}

/** A file in a language of ours. */
export function mayHoldHandlers({ uri, languageId }: Pick<vscode.TextDocument, 'uri' | 'languageId'>): boolean {
  return isFile(uri) && LANGUAGES.has(languageId)
}
