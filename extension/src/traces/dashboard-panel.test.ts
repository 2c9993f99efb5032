import { EventEmitter } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FakeEditor } from '../testing/fake-editor.ts'
import { thisMachine } from '../agent/machine.ts'
import { DashboardPanel } from './dashboard-panel.ts'

let home: string
beforeEach(async () => void (home = await mkdtemp(join(tmpdir(), 'ryo-faas-panel-'))))
afterEach(() => rm(home, { recursive: true }))

class FakePanel {
  readonly sent: unknown[] = []
  isDisposed = false
  readonly webview = {
    html: '',
    postMessage: async (message: unknown) => this.sent.push(message),
    onDidReceiveMessage: () => undefined,
  }
  reveal = () => undefined
  onDidDispose = () => undefined
  dispose = () => void (this.isDisposed = true)
}

function stage() {
  const events = new EventEmitter()
  const panels: FakePanel[] = []
  const theme = { kind: 1 }
  let restore: (panel: FakePanel, state: unknown) => Promise<void> = async () => undefined
  const editor = new FakeEditor({
    ColorThemeKind: { Light: 1, Dark: 2, HighContrast: 3, HighContrastLight: 4 },
    ViewColumn: { Active: -1 },
    Uri: { parse: (text: string) => ({ toString: () => text }) },
    env: { asExternalUri: async (uri: unknown) => uri },
    window: {
      activeColorTheme: theme,
      onDidChangeActiveColorTheme: (listener: () => void) => events.on('theme', listener),
      registerWebviewPanelSerializer: (_: string, { deserializeWebviewPanel }: never) =>
        void (restore = deserializeWebviewPanel),
      createWebviewPanel: () => {
        const panel = new FakePanel()
        panels.push(panel)
        return panel
      },
    },
  }).api
  const dashboard = new DashboardPanel({ editor, door: () => thisMachine(home).browserDoor(), onOpen: () => undefined })
  const become = (kind: number) => {
    theme.kind = kind
    events.emit('theme')
  }
  return { dashboard, panels, become, restore: (panel: FakePanel, state: unknown) => restore(panel, state) }
}

async function announce(): Promise<void> {
  const agent = { url: 'http://127.0.0.1:9998', pid: 1, startedAt: 'x', project: 'rfa', version: '0' }
  await writeFile(join(home, 'token'), 'secret')
  await writeFile(join(home, 'agent.json'), JSON.stringify(agent))
}

test('the tab follows the theme of the editor', async () => {
  await announce()
  const { dashboard, panels, become } = stage()
  await dashboard.show('/')
  expect(panels[0]!.webview.html).toContain('theme=light&amp;contrast=normal')
  become(2)
  become(3)
  become(4)
  expect(panels[0]!.sent).toEqual([
    { theme: 'dark', contrast: 'normal' },
    { theme: 'dark', contrast: 'high' },
    { theme: 'light', contrast: 'high' },
  ])
})

test('after a reload of the window the tab is where it was, and gone if nothing runs', async () => {
  const { restore } = stage()
  const withoutPlatform = new FakePanel()
  await restore(withoutPlatform, { place: '/traces' })
  expect(withoutPlatform.isDisposed).toBe(true)

  await announce()
  const after = stage()
  const panel = new FakePanel()
  await after.restore(panel, { place: '/trace/</script>' })
  expect(panel.webview.html).toContain('"place":"/trace/\\u003c/script>"')
  await after.dashboard.show('/traces')
  expect(after.panels).toEqual([])
})
