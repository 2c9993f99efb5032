/** An answer as it arrives: reported a few times a second, and read no further than it is shown. */
import { answerText, LONGEST_BYTES, type BodyEnd } from './answer-text.ts'

const REPORT_EVERY_MS = 200

export interface AnswerReading {
  /** When the request was sent, by `performance.now()`. */
  begin: number
  /** Called with the text so far, if the answer takes a while. */
  onProgress(text: string): void
  /** After an abort nothing is reported. */
  signal?: AbortSignal
}

/**
 * The whole text. It says so if the answer broke off.
 *
 * @throws AbortError
 */
export async function readAnswer(response: Response, { begin, onProgress, signal }: AnswerReading): Promise<string> {
  const { status, statusText } = response
  const headers = [...response.headers]
  const chunks: Uint8Array[] = []
  const textOf = (end: BodyEnd): string => {
    const durationMs = performance.now() - begin
    return answerText({ status, statusText, headers, durationMs, body: Buffer.concat(chunks), end })
  }
  let timer: NodeJS.Timeout | undefined
  const reportSoon = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      if (!signal?.aborted) onProgress(textOf({ kind: 'coming' }))
    }, REPORT_EVERY_MS)
  }

  let length = 0
  reportSoon()
  try {
    // Leaving the loop ends the connection.
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      chunks.push(chunk)
      length += chunk.length
      if (length > LONGEST_BYTES) return textOf({ kind: 'cut' })
      reportSoon()
    }
    return textOf({ kind: 'whole' })
  } catch (error) {
    if (signal?.aborted) throw error
    const { cause, message } = error as Error
    return textOf({ kind: 'broken', why: (cause as Error | undefined)?.message ?? message })
  } finally {
    clearTimeout(timer)
  }
}
