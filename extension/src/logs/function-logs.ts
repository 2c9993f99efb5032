/**
 * The output of functions in output channels, followed live; after the agent was away it goes on where it was. File
 * names in stack traces become absolute, so that the editor links them.
 */
import type { LogLine } from 'ryo-faas/contract'
import type { PlatformLink } from '../agent/platform-link.ts'
import type { Vscode } from '../editor.ts'
import { LiveChannel } from './live-channel.ts'
import { isForeignFrame, lineText } from './line-text.ts'

interface Followed {
  channel: LiveChannel
  abort: AbortController
  /** The time of the last line, and how many lines there were of it. */
  last: { time: string; lines: number } | undefined
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
      followed = { channel, abort: new AbortController(), last: undefined, isFollowing: false }
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
    const { channel, abort } = followed
    try {
      const client = await this.#link.client()
      const seen = followed.last
      let toSkip = seen?.lines ?? 0
      const query = { tail: 1000, ...(seen && { since: seen.time }) }
      const input = { params: { name }, query: { follow: 'true', ...query } }
      for await (const line of client.stream('logs', input, abort.signal)) {
        if (line.time === seen?.time && toSkip-- > 0) continue
        const isSameTime = followed.last?.time === line.time
        followed.last = { time: line.time, lines: isSameTime ? followed.last!.lines + 1 : 1 }
        if (!isForeignFrame(line)) channel.appendLine(this.#text(name, line))
      }
    } catch (error) {
      if (!abort.signal.aborted) channel.appendLine(`[the log broke off: ${(error as Error).message}]`)
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
