/**
 * The agent's dashboard in an editor tab. There is one; it shows the last place that was asked for, in the colours of
 * the editor's theme, and it comes back after a reload of the window. A frame clicked in a stack trace opens in the
 * editor.
 */
import { randomBytes } from 'node:crypto'
import type * as vscode from 'vscode'
import { dashboardUrl } from 'ryo-faas/client'
import type { Vscode } from '../editor/editor.ts'
import { panelHtml } from './panel-html.ts'

export interface DashboardPanelOptions {
  editor: Vscode
  /** Where the agent is found, and the token for it. @throws RyoFaasError NOT_RUNNING, SERVER_UNREACHABLE */
  door: () => Promise<{ url: string; token: string }>
  onOpen: (place: OpenedFrame) => void
}

/** A frame of a stack trace that was clicked: the function whose span it is, and where in its code. */
export interface OpenedFrame {
  service: string
  path: string
  line: number
  column: number
}

const VIEW_TYPE = 'ryo-faas-dashboard'

export class DashboardPanel {
  readonly #options: DashboardPanelOptions
  readonly #disposables: vscode.Disposable[]
  #panel: vscode.WebviewPanel | undefined

  constructor(options: DashboardPanelOptions) {
    this.#options = options
    const { window } = options.editor
    this.#disposables = [
      window.onDidChangeActiveColorTheme(() => void this.#panel?.webview.postMessage(this.#theme)),
      window.registerWebviewPanelSerializer(VIEW_TYPE, {
        deserializeWebviewPanel: async (panel, state: unknown) => {
          this.#panel = this.#follow(panel)
          // Without a platform there is nothing to show; and it was not the user who asked.
          await this.show(placeIn(state)).catch(() => void panel.dispose())
        },
      }),
    ]
  }

  /**
   * @param place `/`, `/traces?function=…` or `/trace/<id>`
   * @throws RyoFaasError NOT_RUNNING, SERVER_UNREACHABLE
   */
  async show(place: string): Promise<void> {
    const { editor, door } = this.#options
    const { url: inside, token } = await door()
    // On a remote machine this forwards the port.
    const outside = await editor.env.asExternalUri(editor.Uri.parse(inside))
    const url = dashboardUrl({ url: outside.toString(true).replace(/\/$/, ''), token }, place)
    const panel = (this.#panel ??= this.#follow(this.#open()))
    const nonce = randomBytes(16).toString('hex')
    panel.webview.html = panelHtml({
      url: `${url}&${new URLSearchParams({ ...this.#theme }).toString()}`,
      place,
      nonce,
    })
    panel.reveal()
  }

  dispose(): void {
    for (const disposable of this.#disposables) disposable.dispose()
    this.#panel?.dispose()
  }

  /** For the dashboard, in its address and in messages. */
  get #theme(): { theme: 'dark' | 'light'; contrast: 'high' | 'normal' } {
    const { Light, Dark, HighContrast, HighContrastLight } = this.#options.editor.ColorThemeKind
    switch (this.#options.editor.window.activeColorTheme.kind) {
      case Light:
        return { theme: 'light', contrast: 'normal' }
      case HighContrastLight:
        return { theme: 'light', contrast: 'high' }
      case Dark:
        return { theme: 'dark', contrast: 'normal' }
      case HighContrast:
        return { theme: 'dark', contrast: 'high' }
    }
  }

  #open(): vscode.WebviewPanel {
    const { window, ViewColumn } = this.#options.editor
    const options = { enableScripts: true, retainContextWhenHidden: true, localResourceRoots: [] }
    return window.createWebviewPanel(VIEW_TYPE, 'ryo-faas', ViewColumn.Active, options)
  }

  #follow(panel: vscode.WebviewPanel): vscode.WebviewPanel {
    panel.webview.onDidReceiveMessage((message: unknown) => {
      if (isOpenedFrame(message)) this.#options.onOpen(message)
    })
    panel.onDidDispose(() => (this.#panel = undefined))
    return panel
  }
}

/** Where the tab was, as the page remembered it. */
function placeIn(state: unknown): string {
  const { place } = (state ?? {}) as { place?: unknown }
  return typeof place === 'string' ? place : '/'
}

function isOpenedFrame(message: unknown): message is OpenedFrame {
  const { service, path, line, column } = (message ?? {}) as Partial<OpenedFrame>
  return [service, path].every(text => typeof text === 'string') && [line, column].every(Number.isSafeInteger)
}
