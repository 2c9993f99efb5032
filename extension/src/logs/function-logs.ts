/**
 * The output of functions in output channels, followed live; after the agent was away it continues where it stopped.
 * File names in stack traces become absolute, so that the editor links them.
 */
import { LogPlace, type LogLine } from 'ryo-faas/contract'
import type { PlatformLink } from '../agent/platform-link.ts'
import type { Vscode } from '../editor/editor.ts'
import { LiveChannel } from './live-channel.ts'
import { isForeignFrame, lineText } from './line-text.ts'

interface Followed {
  channel: LiveChannel
  abort: AbortController
  readonly place: LogPlace
  isFollowing: boolean
}

export class FunctionLogs {
  readonly #editor: Vscode
  readonly #link: PlatformLink
  readonly #followed = new Map<string, Followed>()
  readonly #listening: { dispose(): void }

  constructor(editor: Vscode, link: PlatformLink) {
    this.#editor = editor
    this.#link = link
    this.#listening = link.onChange(state => {
      if (state.kind !== 'connected') return
      for (const [name, followed] of this.#followed) {
        if (!followed.isFollowing && this.#link.deployment(name)) void this.#follow(name, followed)
      }
    })
  }

  show(name: string): void {
    let followed = this.#followed.get(name)
    if (!followed) {
      const channel = new LiveChannel(this.#editor.window.createOutputChannel(`ryo-faas: ${name}`, 'log'))
      followed = { channel, abort: new AbortController(), place: new LogPlace(), isFollowing: false }
      this.#followed.set(name, followed)
    }
    followed.channel.show()
    if (!followed.isFollowing) void this.#follow(name, followed)
  }

  dispose(): void {
    this.#listening.dispose()
    for (const { abort, channel } of this.#followed.values()) {
      abort.abort()
      channel.dispose()
    }
  }

  async #follow(name: string, followed: Followed): Promise<void> {
    followed.isFollowing = true
    const { channel, abort, place } = followed
    try {
      const client = await this.#link.client()
      const isUnseen = place.unseen()
      const query = { tail: 1000, ...(place.time !== undefined && { since: place.time }) }
      const input = { params: { name }, query: { follow: 'true', ...query } }
      for await (const line of client.stream('logs', input, abort.signal)) {
        if (!isUnseen(line)) continue
        place.advance(line)
        if (!isForeignFrame(line)) channel.appendLine(this.#text(name, line))
      }
    } catch (error) {
      if (!abort.signal.aborted) channel.appendLine(`[Disconnected: ${(error as Error).message}]`)
    } finally {
      followed.isFollowing = false
    }
  }

  #text(name: string, line: LogLine): string {
    const deployment = this.#link.deployment(name)
    const hasSeveral = (deployment?.instances.length ?? 0) > 1
    return lineText(line, { hasSeveral, filePath: deployment?.filePath })
  }
}
