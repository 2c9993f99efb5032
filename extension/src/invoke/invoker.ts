/**
 * Sends the request of a function and shows the answer next to it; an asynchronous call is followed to its result. Each
 * function has one request at a time: a new one ends the previous one.
 */
import type * as vscode from 'vscode'
import { CallsClient, ListenerClient, type Door } from 'ryo-faas/client'
import { RyoFaasError } from 'ryo-faas/contract'
import { HEADERS } from '@ryo-faas/runtime/protocol'
import type { PlatformLink } from '../agent/platform-link.ts'
import type { Vscode } from '../editor/editor.ts'
import { formatDuration } from '../editor/format.ts'
import { readAnswer } from './read-answer.ts'
import { parseRequest, type InvokeRequest } from './request-text.ts'
import { nameIn, type Requests } from './requests.ts'

export const ANSWER_SCHEME = 'ryo-answer'

export class Invoker implements vscode.TextDocumentContentProvider {
  readonly onDidChange: vscode.Event<vscode.Uri>
  readonly #editor: Vscode
  readonly #link: PlatformLink
  readonly #requests: Requests
  readonly #answers = new Map<string, string>()
  readonly #running = new Map<string, AbortController>()
  readonly #changed: vscode.EventEmitter<vscode.Uri>

  constructor({ editor, link, requests }: { editor: Vscode; link: PlatformLink; requests: Requests }) {
    this.#editor = editor
    this.#link = link
    this.#requests = requests
    this.#changed = new editor.EventEmitter()
    this.onDidChange = this.#changed.event
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.#answers.get(nameIn(uri)) ?? ''
  }

  /** Opens the request, sends it and shows the answer next to it. */
  async invoke(name: string): Promise<void> {
    const { window, workspace, ViewColumn } = this.#editor
    const document = await workspace.openTextDocument(this.#requests.uriOf(name))
    const shown = window.visibleTextEditors.find(({ document: { uri } }) => uri.toString() === document.uri.toString())
    await window.showTextDocument(document, { viewColumn: shown?.viewColumn ?? ViewColumn.Active, preview: false })
    await this.send(document)
  }

  /** Sends a request as it is in the editor. */
  async send(document: vscode.TextDocument): Promise<void> {
    const name = nameIn(document.uri)
    if (document.isDirty) await document.save()
    const parsed = parseRequest(document.getText())
    if (parsed.kind === 'wrong') {
      throw new RyoFaasError('INVALID_REQUEST', `line ${parsed.line + 1} of the request: ${parsed.why}`)
    }
    this.#running.get(name)?.abort()
    const abort = new AbortController()
    this.#running.set(name, abort)
    await this.#link.refresh()
    const { proxy, server } = this.#link
    if (proxy === undefined) throw this.#link.notRunning()
    const { path } = parsed.request
    this.#tell(name, `sending to ${server === undefined ? `${proxy.url}${path}` : `${server}: ${path}`} …\n`)
    await this.#showAnswer(name)
    try {
      const send = server === undefined ? sendPlainly : sendThrough
      await this.#exchange(name, { proxy, request: parsed.request, send, signal: abort.signal })
    } catch (error) {
      if (abort.signal.aborted) return
      const cause = (error as { cause?: Error }).cause
      this.#tell(name, `no answer: ${cause?.message ?? (error as Error).message}\n`)
    } finally {
      if (this.#running.get(name) === abort) this.#running.delete(name)
      // The counts in lens and tree include this call.
      void this.#link.refresh().catch(() => undefined) // The next look brings them.
    }
  }

  /** Shows what became of an asynchronous call. */
  async showCall(id: string): Promise<void> {
    const { proxy } = this.#link
    if (proxy === undefined) return
    const abort = new AbortController()
    this.#running.get(id)?.abort()
    this.#running.set(id, abort)
    this.#tell(id, `call ${id}\n`)
    await this.#showAnswer(id)
    await this.#follow(id, { calls: new CallsClient(proxy, abort.signal), id, before: '', signal: abort.signal })
  }

  dispose(): void {
    for (const abort of this.#running.values()) abort.abort()
    this.#changed.dispose()
  }

  async #exchange(
    name: string,
    { proxy, request, send, signal }: { proxy: Door; send: typeof sendPlainly } & Sent,
  ): Promise<void> {
    const begin = performance.now()
    const response = await send(proxy, { request, signal })
    const text = await readAnswer(response, { begin, signal, onProgress: soFar => this.#tell(name, soFar) })
    this.#tell(name, text)
    const id = response.headers.get(HEADERS.callId)
    if (response.status !== 202 || id === null) return
    await this.#follow(name, { calls: new CallsClient(proxy, signal), id, before: `${text.trimEnd()}\n\n`, signal })
  }

  async #follow(
    name: string,
    { calls, id, before, signal }: { calls: CallsClient; id: string; before: string; signal: AbortSignal },
  ): Promise<void> {
    const begin = performance.now()
    let said = before
    for await (const call of calls.follow(id)) {
      const attempts = call.attempts.length > 1 ? `, attempt ${call.attempts.length}` : ''
      said += `# ${call.status}${attempts} · ${formatDuration(performance.now() - begin)}\n`
      if (call.error) said += `# ${call.error.code}: ${call.error.message}\n`
      this.#tell(name, said)
    }
    const result = await calls.result(id).catch(() => undefined) // It has none.
    if (!result) return
    const tell = (text: string): void => this.#tell(name, `${said}\n${text}`)
    tell(await readAnswer(result, { begin, signal, onProgress: tell }))
  }

  #tell(name: string, text: string): void {
    this.#answers.set(name, text)
    this.#changed.fire(this.#uriOf(name))
  }

  async #showAnswer(name: string): Promise<void> {
    const { window, workspace, ViewColumn } = this.#editor
    const document = await workspace.openTextDocument(this.#uriOf(name))
    const isShown = window.visibleTextEditors.some(
      ({ document: { uri } }) => uri.toString() === document.uri.toString(),
    )
    if (isShown) return
    await window.showTextDocument(document, { viewColumn: ViewColumn.Beside, preserveFocus: true, preview: true })
  }

  #uriOf(name: string): vscode.Uri {
    return this.#editor.Uri.from({ scheme: ANSWER_SCHEME, path: `/${name}.ryo-http` })
  }
}

interface Sent {
  request: InvokeRequest
  signal: AbortSignal
}

/** As anybody else would. */
function sendPlainly({ url }: Door, { request, signal }: Sent): Promise<Response> {
  const { method, path, headers, body } = request
  return fetch(url + path, { method, headers, redirect: 'manual', signal, ...(body !== undefined && { body }) })
}

/** By the agent of a server, which passes it on as the operator's: with any access rule, the function takes the call. */
function sendThrough(door: Door, { request, signal }: Sent): Promise<Response> {
  const { method, path, headers, body } = request
  const proxy = new ListenerClient({
    ...door,
    name: 'the proxy',
    unreachable: (message, cause) => new RyoFaasError('NOT_RUNNING', message, { cause }),
  })
  return proxy.send(method, path, {
    headers: Object.fromEntries(new Headers(headers)),
    tokenIn: 'proxy-authorization',
    // As long as the function takes.
    pace: 'long',
    signal,
    ...(body !== undefined && { body }),
  })
}
