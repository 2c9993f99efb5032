/**
 * A call as a batch of SQS with one record, and what the handler says of it. A failed record fails the call, which is
 * tried again as every asynchronous call is.
 */
import type { Received } from './lambda-http.ts'

export function queueEvent({ body, context, name }: Received): object {
  const { callId, requestId, attempt } = context
  const now = String(Date.now())
  const text = body.toString()
  return {
    Records: [
      {
        messageId: callId ?? requestId,
        receiptHandle: requestId,
        body: text,
        attributes: {
          ApproximateReceiveCount: String(attempt),
          SentTimestamp: now,
          SenderId: name,
          ApproximateFirstReceiveTimestamp: now,
        },
        messageAttributes: {},
        md5OfBody: process.getBuiltinModule('node:crypto').hash('md5', text),
        eventSource: 'aws:sqs',
        eventSourceARN: `arn:aws:sqs:local:000000000000:${name}`,
        awsRegion: 'local',
      },
    ],
  }
}

/** The number of failed records in a partial batch response. */
export function failuresOf(result: unknown): number {
  const { batchItemFailures } = (result ?? {}) as { batchItemFailures?: unknown[] | null }
  return batchItemFailures?.length ?? 0
}
