/** What happens in a dispatcher that somebody may want to read about. The entry writes it down; tests look at it. */
export type DispatcherEvent =
  | { type: 'connected' }
  | { type: 'functions'; count: number }
  | { type: 'call-dead'; callId: string; code: string; message: string }
  /** The call comes back by itself. */
  | { type: 'call-put-back'; callId: string; reason: string }
  | { type: 'callback-failed'; callId: string; reason: string }
  /** Something about a trigger that somebody should look at; what can be tried again is. */
  | { type: 'trigger-failed'; functionName: string; handler: string; reason: string }
  | { type: 'bus-refused'; what: string; reason: string }

export type OnEvent = (event: DispatcherEvent) => void
