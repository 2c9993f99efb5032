/** Reads a whole request body into memory, up to a limit. */
import type { ClientRequest } from '../http/client.ts'

export type CollectedBody =
  | { kind: 'whole'; bytes: Buffer }
  | { kind: 'too-large' }
  | { kind: 'too-slow' }
  /** The client left before its end. */
  | { kind: 'gone' }

/** After any outcome but `whole` the request still has to be read or cut off. */
export function collectBody(
  request: ClientRequest,
  limits: { bytes: number; timeoutMs: number },
): Promise<CollectedBody> {
  return new Promise(resolve => {
    const pieces: Buffer[] = []
    let length = 0
    const finish = (body: CollectedBody) => {
      clearTimeout(timer)
      request.off('data', onData).off('end', onEnd).off('close', onClose)
      resolve(body)
    }
    const onData = (piece: Buffer) => {
      length += piece.length
      if (length > limits.bytes) return finish({ kind: 'too-large' })
      pieces.push(piece)
    }
    const onEnd = () => finish({ kind: 'whole', bytes: pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces) })
    const onClose = () => finish({ kind: 'gone' })
    const timer = setTimeout(() => finish({ kind: 'too-slow' }), limits.timeoutMs)
    request.on('data', onData).on('end', onEnd).on('close', onClose)
  })
}
