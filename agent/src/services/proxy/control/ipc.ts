/**
 * Requests and responses between the primary and its workers over the IPC channel of node:cluster.
 *
 * Invariants: 1. Every request is settled: by its response, or rejected once the other side is gone. 2. An error
 * crosses as text and code.
 */

type Message =
  | { ask: number; type: string; value: unknown }
  | { answer: number; value?: unknown; error?: { message: string; code?: string } }

export interface Channel {
  send(message: object, callback: (error: Error | null) => void): void
  on(event: 'message', listener: (message: unknown) => void): unknown
  on(event: 'disconnect', listener: () => void): unknown
}

/** Requests of the other side. */
export type Handlers = Record<string, (value: never) => unknown>

export class Peer {
  private readonly channel: Channel
  private readonly open = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  private last = 0
  private isGone = false

  constructor(channel: Channel, handlers: Handlers) {
    this.channel = channel
    channel.on('message', message => void this.receive(message as Message, handlers))
    channel.on('disconnect', () => this.gone())
  }

  ask<T>(type: string, value?: unknown): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.isGone) return reject(new Error('the other process is gone'))
      const ask = ++this.last
      this.open.set(ask, { resolve, reject })
      this.channel.send({ ask, type, value }, error => {
        if (error === null) return
        this.open.delete(ask)
        reject(error)
      })
    })
  }

  private async receive(message: Message, handlers: Handlers): Promise<void> {
    if ('answer' in message) {
      const waiting = this.open.get(message.answer)
      this.open.delete(message.answer)
      const { error } = message
      if (error === undefined) waiting?.resolve(message.value as never)
      else waiting?.reject(Object.assign(new Error(error.message), { code: error.code }))
      return
    }
    if (!('ask' in message)) return
    const reply: Message = { answer: message.ask }
    try {
      reply.value = await handlers[message.type]!(message.value as never)
    } catch (error) {
      const { message: text, code } = error as NodeJS.ErrnoException
      reply.error = code === undefined ? { message: text } : { message: text, code }
    }
    // If the other side is gone, nobody waits for the answer.
    if (!this.isGone) this.channel.send(reply, () => {})
  }

  private gone(): void {
    this.isGone = true
    for (const { reject } of this.open.values()) reject(new Error('the other process is gone'))
    this.open.clear()
  }
}
