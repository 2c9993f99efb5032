/**
 * The response that handlers write to. It holds them to the `content-length` they declared: what is written beyond it
 * would be read from the reused connection as the start of the next caller's answer, and a relayed answer gets there
 * easily, because `fetch` unpacks a compressed body and leaves the headers of the packed one.
 *
 * 1. Not a byte beyond the declared length is sent.
 * 2. An answer shorter or longer than declared ends its connection, even if the error is caught.
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
    // One turn later, because its invocation may have failed by then; then nothing is left to do.
    setImmediate(() => this.destroy())
    const { message, code } = error as NodeJS.ErrnoException
    const advice =
      'If it relays a response from fetch, it must drop content-length and content-encoding: fetch has unpacked the body.'
    return Object.assign(new Error(`${message}. ${advice}`, { cause: error }), { code })
  }
}
