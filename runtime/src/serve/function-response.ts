/**
 * The response that handlers write to. It holds them to the `content-length` they declared: what was written beyond it
 * would be read from the kept connection as the beginning of the next caller's answer, and a relayed answer gets there
 * easily, because `fetch` unpacks a compressed body and leaves the headers of the packed one.
 *
 * 1. Not a byte beyond the declared length is sent.
 * 2. An answer that turns out shorter or longer than declared ends its connection, whoever catches the error.
 */
import { ServerResponse, type IncomingMessage } from 'node:http'

type Write = Parameters<ServerResponse['write']>
type End = Parameters<ServerResponse['end']>

export class FunctionResponse<Request extends IncomingMessage = IncomingMessage> extends ServerResponse<Request> {
  override strictContentLength = true

  override write(...written: unknown[]): boolean {
    try {
      return super.write(...(written as Write))
    } catch (error) {
      throw this.#explained(error)
    }
  }

  override end(...written: unknown[]): this {
    try {
      return super.end(...(written as End))
    } catch (error) {
      throw this.#explained(error)
    }
  }

  #explained(error: unknown): unknown {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_HTTP_CONTENT_LENGTH_MISMATCH') return error
    // A turn later, so that the invocation it belongs to has failed by then; nothing is left to do if it has.
    setImmediate(() => this.destroy())
    const { message, code } = error as NodeJS.ErrnoException
    const advice =
      'If it relays what fetch got, it has to drop content-length and content-encoding: fetch has unpacked the body.'
    return Object.assign(new Error(`${message}. ${advice}`, { cause: error }), { code })
  }
}
