/**
 * A connection without a network: what one end writes, the other reads. It has the methods of a socket that Node's HTTP
 * and the frameworks on top of it call.
 */
import { Duplex } from 'node:stream'

type Done = (error?: Error | null) => void

class MemorySocket extends Duplex {
  readonly remoteAddress = '127.0.0.1'
  readonly remoteFamily = 'IPv4'
  readonly remotePort = 0
  bytesWritten = 0
  peer!: MemorySocket
  /** Called once the other end can take more. */
  #waiting: Done | undefined

  constructor() {
    super({ allowHalfOpen: true })
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.bytesWritten += chunk.length
    const { peer } = this
    if (peer.destroyed || peer.readableEnded || peer.push(chunk)) done()
    else this.#waiting = done
  }

  override _final(done: Done): void {
    this.peer.#end()
    done()
  }

  override _read(): void {
    this.peer.#resume()
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#resume()
    const { peer } = this
    peer.#end()
    peer.#resume()
    // What was sent is read to its end first.
    setImmediate(() => {
      if (peer.readableLength === 0 || peer.readableEnded) peer.destroy()
      else peer.once('end', () => peer.destroy())
    })
    done(error)
  }

  #end(): void {
    if (!this.destroyed && !this.#isEnded) this.push(null)
    this.#isEnded = true
  }
  #isEnded = false

  #resume(): void {
    const done = this.#waiting
    this.#waiting = undefined
    done?.()
  }

  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }

  setTimeout(): this {
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }
}

export function connectInMemory(): { client: Duplex; server: Duplex } {
  const [client, server] = [new MemorySocket(), new MemorySocket()]
  client.peer = server
  server.peer = client
  return { client, server }
}
