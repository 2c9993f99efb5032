/**
 * The agent's dashboard in an editor tab. There is one; it shows the place that was asked for last. What is clicked in
 * a stack trace opens in the editor.
 */
import { randomBytes } from 'node:crypto'
import type * as vscode from 'vscode'
import { dashboardUrl, readAgentFile } from 'ryo-faas/client'
import { RyoFaasError } from 'ryo-faas/contract'
import type { Vscode } from '../editor.ts'
import { panelHtml } from './panel-html.ts'

export interface DashboardPanelOptions {
  editor: Vscode
  /** Of the platform. */
  home: string
  onOpen: (place: OpenedFrame) => void
}

/** A frame of a stack trace that was clicked: the function whose span it is, and where in its code. */
export interface OpenedFrame {
  service: string
  path: string
  line: number
  column: number
}

export class DashboardPanel {
  readonly #options: DashboardPanelOptions
  #panel: vscode.WebviewPanel | undefined

  constructor(options: DashboardPanelOptions) {
    this.#options = options
  }

  /**
   * @param place `/`, `/traces?function=…` or `/trace/<id>`
   * @throws RyoFaasError NOT_RUNNING
   */
  async show(place: string): Promise<void> {
    const { editor, home } = this.#options
    const found = await readAgentFile(home)
    if (found === undefined) throw new RyoFaasError('NOT_RUNNING', 'the platform does not run')
    // On a remote machine this forwards the port.
    const outside = await editor.env.asExternalUri(editor.Uri.parse(found.agent.url))
    const url = dashboardUrl({ url: outside.toString(true).replace(/\/$/, ''), token: found.token }, place)
    const panel = (this.#panel ??= this.#open())
    const theme = isDark(editor) ? 'dark' : 'light'
    panel.webview.html = panelHtml({ url: `${url}&theme=${theme}`, nonce: randomBytes(16).toString('hex') })
    panel.reveal()
  }

  dispose(): void {
    this.#panel?.dispose()
  }

  #open(): vscode.WebviewPanel {
    const { editor, onOpen } = this.#options
    const { Active } = editor.ViewColumn
    const options = { enableScripts: true, retainContextWhenHidden: true, localResourceRoots: [] }
    const panel = editor.window.createWebviewPanel('ryo-faas.dashboard', 'ryo-faas', Active, options)
    panel.webview.onDidReceiveMessage((message: unknown) => {
      if (isOpenedFrame(message)) onOpen(message)
    })
    panel.onDidDispose(() => (this.#panel = undefined))
    return panel
  }
}

function isDark({ window, ColorThemeKind }: Vscode): boolean {
  const { kind } = window.activeColorTheme
  return kind === ColorThemeKind.Dark || kind === ColorThemeKind.HighContrast
}

function isOpenedFrame(message: unknown): message is OpenedFrame {
  const { service, path, line, column } = (message ?? {}) as Partial<OpenedFrame>
  return [service, path].every(text => typeof text === 'string') && [line, column].every(Number.isSafeInteger)
}
