import type { PartView } from '../contract/index.ts'

export interface RunningPart {
  /** `host:port`, if it has one. */
  address?: string
  pid?: number
  note?: string
  /** Resolves when the part is gone, for whatever reason. */
  gone: Promise<void>
}

/** A part of the platform that must always run, as a process or as a container. */
export interface Part {
  readonly name: PartView['name']
  /** Adopts the running one, or starts it; resolves when it is ready. */
  ensure(): Promise<RunningPart>
  /** Stops it, gently first. Idempotent. */
  stop(): Promise<void>
}
