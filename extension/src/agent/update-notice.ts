/** Says that the platform still runs the agent of the extension before its update; once for each pair of builds. */
import type * as vscode from 'vscode'
import type { Ui } from '../editor/ui.ts'
import type { PlatformLink } from './platform-link.ts'

const TOLD = 'ryo-faas.update-told'

export interface UpdateNoticeOptions {
  link: Pick<PlatformLink, 'isReady' | 'onChange' | 'server' | 'snapshot'>
  ui: Pick<Ui, 'say'>
  /** Shared by all windows. */
  memory: Pick<vscode.Memento, 'get' | 'update'>
  /** What a start would run; `undefined` if that does not come with the extension. */
  build(): Promise<string | undefined>
  restart(): unknown
}

export function noticeUpdates({ link, ui, memory, build, restart }: UpdateNoticeOptions): vscode.Disposable {
  const look = async () => {
    if (!link.isReady || link.server !== undefined) return
    // One that did not come with an extension is updated where it was installed.
    const running = link.snapshot?.platform.build
    const shipped = running === undefined ? undefined : await build()
    const pair = `${running} ${shipped}`
    if (shipped === undefined || shipped === running || memory.get(TOLD) === pair) return
    await memory.update(TOLD, pair)
    ui.say('ryo-faas was updated. Restart the platform to use the new version.', { title: 'Restart', run: restart })
  }
  return link.onChange(() => void look().catch(() => undefined)) // Tried again with the next change.
}
