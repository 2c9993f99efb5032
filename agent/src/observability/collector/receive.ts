/** Decodes the body of one OTLP request to spans. Errors are in the terms of the protocol. */
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { z } from 'zod'
import { OtlpTraces, translate, type Translated } from './otlp-json.ts'

const unzip = promisify(gunzip)

/** Limit of a body, compressed and uncompressed. */
export const BODY_LIMIT_BYTES = 4 * 1024 * 1024
export const PROTOBUF = 'application/x-protobuf'

export type Received = ({ kind: 'spans' } & Translated) | { kind: 'refused'; status: 400 | 413 | 415; message: string }

export interface Body {
  bytes: Buffer
  /** Without parameters. */
  contentType: string
  encoding: string | undefined
}

export async function receive({ bytes, contentType, encoding }: Body): Promise<Received> {
  let plain = bytes
  if (encoding === 'gzip') {
    try {
      plain = await unzip(bytes, { maxOutputLength: BODY_LIMIT_BYTES })
    } catch (error) {
      const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
      return isTooLarge
        ? refused(413, `a body may have at most ${BODY_LIMIT_BYTES} bytes, also when uncompressed`)
        : refused(400, `the body is not gzip: ${(error as Error).message}`)
    }
  } else if (encoding !== undefined && encoding !== 'identity') {
    return refused(415, `content-encoding ${encoding} is not supported: use gzip or none`)
  }
  let message: unknown
  try {
    message = contentType === PROTOBUF ? await decode(plain) : JSON.parse(plain.toString())
  } catch (error) {
    return refused(400, `the body is not ${contentType}: ${(error as Error).message}`)
  }
  const parsed = OtlpTraces.safeParse(message)
  if (!parsed.success)
    return refused(400, `the body is not an ExportTraceServiceRequest: ${z.prettifyError(parsed.error)}`)
  return { kind: 'spans', ...translate(parsed.data) }
}

/** Loaded on first use: our own parts send JSON. */
async function decode(bytes: Buffer): Promise<unknown> {
  const { decodeTraces } = await import('./otlp-protobuf.ts')
  return decodeTraces(bytes)
}

function refused(status: 400 | 413 | 415, message: string): Received {
  return { kind: 'refused', status, message }
}
