/** Notable events in a dispatcher. The entry logs them; tests check them. */
export type DispatcherEvent =
  | { type: 'connected' }
  | { type: 'functions'; count: number }
  | { type: 'call-dead'; callId: string; code: string; message: string }
  /** The call will be redelivered. */
  | { type: 'call-put-back'; callId: string; reason: string }
  | { type: 'callback-failed'; callId: string; reason: string }
  /** A problem with a trigger; whatever can be retried is. */
  | { type: 'trigger-failed'; functionName: string; handler: string; reason: string }
  | { type: 'bus-refused'; what: string; reason: string }

export type OnEvent = (event: DispatcherEvent) => void
