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
  /** The deployment's. */
  readonly name: string
  /** Where it runs; undefined: on this machine. */
  readonly server: string | undefined
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
      for (const followed of this.#followed.values()) {
        const { name, server, isFollowing } = followed
        if (!isFollowing && server === link.server && link.deployment(name)) void this.#follow(followed)
      }
    })
  }

  show(name: string): void {
    const { server } = this.#link
    const title = server === undefined ? name : `${name} on ${server}`
    let followed = this.#followed.get(title)
    if (!followed) {
      const channel = new LiveChannel(this.#editor.window.createOutputChannel(`ryo-faas: ${title}`, 'log'))
      const begin = { abort: new AbortController(), place: new LogPlace(), isFollowing: false }
      followed = { name, server, channel, ...begin }
      this.#followed.set(title, followed)
    }
    followed.channel.show()
    if (!followed.isFollowing) void this.#follow(followed)
  }

  dispose(): void {
    this.#listening.dispose()
    for (const { abort, channel } of this.#followed.values()) {
      abort.abort()
      channel.dispose()
    }
  }

  async #follow(followed: Followed): Promise<void> {
    followed.isFollowing = true
    const { name, channel, abort, place } = followed
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
