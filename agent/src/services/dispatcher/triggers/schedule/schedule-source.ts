/**
 * Calls of functions by the clock: the rules are the runtime's (`RunningSchedule`), a time is the sequence.
 *
 * Invariant: the call of a time has the same id after a crash: it runs once, whoever offers it.
 */
import { CLOUD_EVENT_TYPE, EVENTS_PREFIX, SCHEDULED_KEY } from '@ryo-faas/runtime/protocol'
import { RunningSchedule, scheduleEvent, ticksOf, type ScheduledCall } from '@ryo-faas/runtime/schedules'
import { z } from 'zod'
import { Schedule } from '../../../../contract/index.ts'
import type {
  Checkpoint,
  Clock,
  RunningSource,
  Subscription,
  TriggerEvent,
  TriggerSink,
  TriggerSource,
} from '../source.ts'

const ScheduleSpec = z.object({ schedule: Schedule, isEvent: z.literal(true).optional() })
type ScheduleSpec = z.infer<typeof ScheduleSpec>

export class ScheduleSource implements TriggerSource<ScheduleSpec> {
  readonly faasTrigger = 'timer'
  readonly Spec = ScheduleSpec
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async begin({ from }: Subscription<ScheduleSpec>): Promise<number> {
    return from.kind === 'time' ? Date.parse(from.time) : this.#clock.now()
  }

  start({ spec, from }: Subscription<ScheduleSpec>, { epoch, sequence }: Checkpoint, sink: TriggerSink): RunningSource {
    const ticks = ticksOf(spec.schedule, from.kind === 'time' ? Date.parse(from.time) : epoch)
    const clock = this.#clock
    let endHold: (() => void) | undefined
    const hold = () => {
      if (endHold === undefined) clock.hold?.(new Promise(resolve => (endHold = resolve)))
    }
    const release = () => {
      endHold?.()
      endHold = undefined
    }
    const running = new RunningSchedule(spec.schedule, {
      ticks,
      clock,
      sink: {
        slots: () => sink.slots(),
        offer: (call, lane) => {
          hold()
          sink.offer({ sequence: call.at, lane, event: async () => eventOf(call, spec) })
        },
      },
      seen: sequence,
    })
    return {
      wake: () => {
        running.wake()
        const { free, all } = sink.slots()
        if (free === all) release()
      },
      pending: async () => running.pending(),
      seenUpTo: async () => running.seen,
      stop: async () => {
        running.stop()
        release()
      },
    }
  }
}

function eventOf({ at, path, body, headers }: ScheduledCall, { schedule, isEvent }: ScheduleSpec): TriggerEvent {
  const about = { id: String(at), time: new Date(at).toISOString(), headers }
  if (isEvent) {
    const request = { path: EVENTS_PREFIX + SCHEDULED_KEY, contentType: CLOUD_EVENT_TYPE }
    return { ...about, body: Buffer.from(scheduleEvent(schedule, at)), request }
  }
  return {
    ...about,
    body: body === undefined ? new Uint8Array() : Buffer.from(body),
    request: { path, ...(body !== undefined && { contentType: 'application/json' }) },
  }
}
