/** How messages come from a server of the user's: on core subjects, or through a durable consumer of JetStream. */
import type { Bus } from '../../../../bus/index.ts'
import type { NatsTrigger } from '../../../../contract/index.ts'

/** A message to run the function for. */
export interface Taken {
  /** The same if the server delivers it again. */
  id: string
  timeMs: number
  subject: string
  data: Uint8Array
  headers: [name: string, value: string][]
  /** The stream that it is in. */
  stream?: string
  /** Its turn has come. */
  begun?(): void
  /** Its call is final. */
  ended?(): void
}

export interface IntakeOptions {
  bus: Bus
  trigger: NatsTrigger
  /** ISO; of the deployment that made the trigger. */
  from: string
  slots: () => { free: number; all: number }
  take: (message: Taken) => void
  refused: (reason: string) => void
}

export interface Intake {
  /** Slots have become free. */
  wake(): void
  /** @throws BusError */
  pending(): Promise<number | undefined>
  /** Nothing is taken afterwards. What was taken may still end. */
  stop(): Promise<void>
  /** Resolves when all that was begun has ended, or belongs to somebody else. */
  rest(): Promise<void>
}
