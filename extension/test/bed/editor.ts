/** A real VS Code: its server with a real extension host, on ports and folders of its own, shown in Chromium. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { createWriteStream, existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile, mkdir } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'
import { promisify } from 'node:util'
import { PortProxy } from './port-proxy.ts'
import type { Prerequisites } from './prerequisites.ts'

const START_TIMEOUT_MS = 90_000
const SUITE_TIMEOUT_MS = 360_000
const END_TIMEOUT_MS = 10_000
const SETTINGS = {
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'chat.commandCenter.enabled': false,
  'security.workspace.trust.enabled': false,
  'editor.minimap.enabled': false,
  // On by default where the window is a page; on a desktop it is off.
  'files.autoSave': 'off',
  // What the tests write has to arrive as it is.
  'editor.autoIndent': 'none',
  'editor.autoClosingBrackets': 'never',
  'editor.autoClosingQuotes': 'never',
  'editor.quickSuggestions': { other: 'off', comments: 'off', strings: 'off' },
  'editor.acceptSuggestionOnEnter': 'off',
  'extensions.ignoreRecommendations': true,
  'git.enabled': false,
  'typescript.tsserver.log': 'off',
  'window.commandCenter': false,
  // What only costs time here: movement, a second compiler, types from the network.
  'workbench.reduceMotion': 'on',
  'editor.cursorBlinking': 'solid',
  'typescript.tsserver.useSyntaxServer': 'never',
  'typescript.disableAutomaticTypeAcquisition': true,
  'telemetry.telemetryLevel': 'off',
  'remote.autoForwardPorts': false,
  'debug.internalConsoleOptions': 'neverOpen',
}

export interface EditorOptions extends Prerequisites {
  /** Added to the environment of the server, and so of the extension hosts. */
  environment?: NodeJS.ProcessEnv
  /** Folder of installed extensions: see `installExtension`. */
  extensions: string
  settings?: Record<string, unknown>
  workspaceTrust?: boolean
}

export class Editor {
  readonly #server: ChildProcess
  readonly #data: string
  readonly #browser: Browser
  /** One for all windows: what the first one loaded, the others have. */
  readonly #context: BrowserContext
  readonly #port: number
  readonly #ports: PortProxy

  private constructor(parts: {
    server: ChildProcess
    data: string
    browser: Browser
    context: BrowserContext
    port: number
    ports: PortProxy
  }) {
    this.#server = parts.server
    this.#data = parts.data
    this.#browser = parts.browser
    this.#context = parts.context
    this.#port = parts.port
    this.#ports = parts.ports
  }

  static async start(options: EditorOptions): Promise<Editor> {
    const data = await mkdtemp(join(tmpdir(), 'ryo-faas-editor-'))
    const settings = { ...SETTINGS, ...options.settings }
    await mkdir(join(data, 'data', 'Machine'), { recursive: true })
    await writeFile(join(data, 'data', 'Machine', 'settings.json'), JSON.stringify(settings))
    const main = join(options.editor, 'out', 'server-main.js')
    const folders = ['--server-data-dir', data, '--extensions-dir', options.extensions]
    // A window without a platform must not find that of the user who runs the tests.
    const ports = await PortProxy.start()
    // Its debugger leaves files in the temporary folder, which are to go with the rest.
    const temporary = join(data, 'tmp')
    await mkdir(temporary)
    const here = {
      RYO_FAAS_HOME: join(data, 'no-platform'),
      VSCODE_PROXY_URI: ports.template,
      RYO_FAAS_POOL: '0',
      TMPDIR: temporary,
    }
    const node = { env: environmentOf({ ...here, ...options.environment }) }
    const port = await freePort()
    const server = spawn(
      nodeOf(process.env),
      [
        main,
        ...folders,
        '--host',
        '127.0.0.1',
        '--port',
        String(port),
        '--without-connection-token',
        '--accept-server-license-terms',
        '--disable-telemetry',
        ...(options.workspaceTrust ? [] : ['--disable-workspace-trust']),
      ],
      { ...node, stdio: ['ignore', 'pipe', 'pipe'] },
    )
    const log = createWriteStream(join(data, 'server.log'))
    server.stdout.pipe(log, { end: false })
    server.stderr.pipe(log, { end: false })
    try {
      await answers(port, server)
      const browser = await chromium.launch({
        executablePath: options.chromium,
        args: [
          '--no-sandbox',
          '--disable-dev-shm-usage',
          '--disable-gpu',
          '--disable-extensions',
          '--disable-component-update',
        ],
      })
      const context = await browser.newContext({
        viewport: { width: 1440, height: 900 },
        permissions: ['clipboard-read', 'clipboard-write'],
        reducedMotion: 'reduce',
      })
      context.setDefaultTimeout(START_TIMEOUT_MS)
      return new Editor({ server, data, browser, context, port, ports })
    } catch (error) {
      server.kill()
      ports.close()
      throw error
    }
  }

  /** Folder with the editor's logs, for a look after a failure. */
  get dataFolder(): string {
    return this.#data
  }

  /** Opens a folder, or no folder at all, in a new window. */
  async open(folder: string | undefined, payload: Record<string, string> = {}): Promise<Page> {
    const page = await this.#context.newPage()
    const entries = Object.entries({ skipWelcome: 'true', ...payload })
    const query = new URLSearchParams({ payload: JSON.stringify(entries) })
    if (folder === undefined) query.set('ew', 'true')
    else query.set('folder', this.uri(folder))
    const url = `http://127.0.0.1:${this.#port}/?${query.toString()}`
    await page.goto(url)
    await page.locator('.monaco-workbench .part.statusbar').waitFor()
    return page
  }

  /** As a person closes a tab: the window says goodbye, and its extension host ends with it. */
  async closeWindow(page: Page): Promise<void> {
    await page.goto('about:blank')
    await page.close()
  }

  /**
   * Runs a compiled test module inside the extension host. Answers the exit code, 0 if its `run` resolved, and what
   * the editor wrote to its console.
   * @param paths absolute
   */
  async runTests(paths: { folder: string; extension: string; tests: string }): Promise<{
    code: number
    said: string[]
  }> {
    const page = await this.#context.newPage()
    const done = new Promise<number>(resolve => void page.exposeFunction('codeAutomationExit', resolve))
    const said: string[] = []
    await page.exposeFunction('codeAutomationLog', (_: string, args: unknown[]) =>
      said.push(args.map(String).join(' ')),
    )
    const payload = {
      skipWelcome: 'true',
      extensionDevelopmentPath: this.uri(paths.extension),
      extensionTestsPath: this.uri(paths.tests),
    }
    const query = new URLSearchParams({
      folder: this.uri(paths.folder),
      payload: JSON.stringify(Object.entries(payload)),
    })
    await page.goto(`http://127.0.0.1:${this.#port}/?${query.toString()}`)
    let timer: NodeJS.Timeout | undefined
    const failed = new Promise<never>((_, reject) => {
      page.once('crash', () => reject(new Error('the window crashed')))
      timer = setTimeout(
        () => reject(new Error(`the suite did not end; it said:\n${said.join('\n')}`)),
        SUITE_TIMEOUT_MS,
      )
    })
    try {
      return { code: await Promise.race([done, failed]), said }
    } finally {
      clearTimeout(timer)
      await this.closeWindow(page)
    }
  }

  uri(path: string): string {
    return `vscode-remote://127.0.0.1:${this.#port}${path}`
  }

  async close(): Promise<void> {
    await this.#browser.close().catch(() => undefined)
    this.#ports.close()
    const ended = new Promise(resolve => this.#server.once('exit', resolve))
    if (this.#server.exitCode === null && this.#server.signalCode === null) {
      this.#server.kill()
      const kill = setTimeout(() => this.#server.kill('SIGKILL'), END_TIMEOUT_MS)
      await ended
      clearTimeout(kill)
    }
    await rm(this.#data, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}

/**
 * What the editor is run on: the machine's own Node, not the newer one that npm puts before it. The editor of this age
 * takes a Node that has a `navigator` for a browser, and then knows no types.
 */
function nodeOf(environment: NodeJS.ProcessEnv): string {
  const folders = (environment['PATH'] ?? '').split(':').filter(folder => !folder.includes('node_modules'))
  return folders.map(folder => join(folder, 'node')).find(path => existsSync(path)) ?? process.execPath
}

/** Installs a packaged extension, as a person would, into a folder that editors are started with. */
export async function installExtension(options: { editor: string; vsix: string; extensions: string }): Promise<void> {
  const data = await mkdtemp(join(tmpdir(), 'ryo-faas-install-'))
  const folders = ['--server-data-dir', data, '--extensions-dir', options.extensions]
  const args = [join(options.editor, 'out', 'server-main.js'), ...folders, '--install-extension', options.vsix]
  await promisify(execFile)(nodeOf(process.env), args, { env: environmentOf({}) })
  await rm(data, { recursive: true, force: true })
}

/** Without variables of npm, or of the editor that the tests were started from. */
function environmentOf(more: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const environment = { ...process.env }
  for (const name of Object.keys(environment)) {
    if (/^(?:CODE_SERVER_PARENT_PID|NODE_OPTIONS|VSCODE_.*|VITEST.*|npm_.*)$/.test(name)) delete environment[name]
  }
  return { ...environment, ...more }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

async function answers(port: number, server: ChildProcess): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS
  for (;;) {
    if (server.exitCode !== null) throw new Error(`the editor's server ended with ${server.exitCode}`)
    const response = await fetch(`http://127.0.0.1:${port}/version`).catch(() => undefined)
    if (response?.ok) return
    if (Date.now() > deadline) throw new Error('the editor does not answer')
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}
