/**
 * The triggers of a version, schedules included, and where each of them starts.
 *
 * Invariants: 1. What existed before resumes where it was; a new handler starts with the first change
 * after its deployment, a new schedule with its first time after it. 2. A later start has a greater epoch, even after
 * restarts and if the clock is set back. 3. A paused schedule is not known to the dispatchers; resumed, it starts over.
 */
import { TRIGGER_KEY } from '@ryo-faas/runtime/protocol'
import { isPlainSchedule, scheduleLabel, ticksOf } from '@ryo-faas/runtime/schedules'
import {
  scheduleKey,
  TRIGGER_KINDS,
  type DocumentTrigger,
  type EventTrigger,
  type NatsTrigger,
  type Schedule,
  type ScheduleLine,
  type ServedHandlers,
  type StartFrom,
  type Trigger,
  type TriggerKind,
  type TriggerSourceKind,
  type TriggerStart,
  type TriggerView,
} from '../contract/index.ts'
import { activeVersion, type DeploymentRecord, type VersionRecord } from './state/index.ts'

type KnownView = TriggerView & { kind: TriggerSourceKind }
interface Filters {
  document: DocumentTrigger[]
  event: EventTrigger[]
  nats: NatsTrigger[]
}

type Subscribed =
  | { [Kind in TriggerKind]: { kind: Kind; key: string; filters: Filters[Kind] } }[TriggerKind]
  | { kind: 'schedule'; key: string; schedule: Schedule; label: string; isEvent?: true }

/** What a service registered, by the key of its handler. */
type OfService<Kind extends TriggerKind> = (served: ServedHandlers) => [key: string, filters: Filters[Kind]][]

/** The kinds of triggers, one line each. */
const OF_SERVICE: { [Kind in TriggerKind]: OfService<Kind> } = {
  document: ({ triggers }) => triggers.map(({ key, ...filter }) => [key, [filter]]),
  event: ({ events = [] }) => events.map(({ key, ...filter }) => [key, [{ kind: 'event', ...filter }]]),
  nats: () => [],
}

function triggersIn(version: VersionRecord): Subscribed[] {
  const schedules = version.config.schedule.map(schedule => ({
    kind: 'schedule' as const,
    key: scheduleKey(schedule),
    schedule,
    label: scheduleLabel(schedule),
    ...(version.isScheduled && isPlainSchedule(schedule) && { isEvent: true as const }),
  }))
  return [...TRIGGER_KINDS.flatMap(kind => triggersOfKind(version, kind)), ...schedules]
}

/** Those of each handler. */
function triggersOfKind({ kind: deployed, config, served }: VersionRecord, kind: TriggerKind): Subscribed[] {
  const subscribed = (key: string, filters: Trigger[]) => ({ kind, key, filters }) as Subscribed
  switch (deployed) {
    case 'trigger': {
      const filters = (config.on ?? []).filter(each => (each.kind ?? 'document') === kind)
      return filters.length === 0 ? [] : [subscribed(TRIGGER_KEY, filters)]
    }
    case 'service':
      return served === undefined ? [] : OF_SERVICE[kind](served).map(([key, filters]) => subscribed(key, filters))
    case 'http':
    case 'async':
      return []
  }
}

/** Names its start: a handler may run on documents and on other events. */
function startKey({ kind, key }: Pick<Subscribed, 'kind' | 'key'>): string {
  return kind === 'document' || kind === 'schedule' ? key : `${key}.${kind}`
}

export interface SubscribeOptions {
  before: DeploymentRecord | undefined
  version: VersionRecord
  /** Where all document triggers start, including known ones; default: new ones start now. */
  from?: StartFrom | undefined
  /** Position in the log of documents. Called if a document trigger starts now. */
  now: () => Promise<StartFrom>
  /** What time it is for schedules, in milliseconds since 1970. */
  clockMs: number
}

/** @throws what `now` throws. */
export async function subscribe(options: SubscribeOptions): Promise<Record<string, TriggerStart>> {
  const { before, version, from } = options
  const known = before?.subscriptions ?? {}
  const epoch = nextEpoch(known)
  const startOf = async (trigger: Subscribed): Promise<TriggerStart> => {
    const key = startKey(trigger)
    if (trigger.kind === 'schedule') return known[key] ?? { epoch, from: moment(options.clockMs) }
    if (trigger.kind !== 'document') return known[key] ?? { epoch, from: moment(Date.now()) }
    return from === undefined && known[key] !== undefined
      ? known[key]
      : { epoch, from: from ?? (await (position ??= options.now())) }
  }
  let position: Promise<StartFrom> | undefined
  const starts: [string, TriggerStart][] = []
  for (const trigger of triggersIn(version)) starts.push([startKey(trigger), await startOf(trigger)])
  return Object.fromEntries(starts)
}

export function nextEpoch(known: Record<string, TriggerStart>): number {
  return Math.max(Date.now(), ...Object.values(known).map(({ epoch }) => epoch + 1))
}

function moment(ms: number): StartFrom {
  return { kind: 'time', time: new Date(ms).toISOString() }
}

/** The keys of its handlers that run on documents: those that can be replayed. */
export function documentKeys(record: DeploymentRecord, version: VersionRecord): string[] {
  return triggersOfKind(version, 'document')
    .map(({ key }) => key)
    .filter(key => record.subscriptions[key] !== undefined)
}

export interface Pause {
  key: string
  isPaused: boolean
  /** What time it is for schedules. */
  clockMs: number
}

/** With what is new since a schedule was paused, or runs again. Unchanged if it is so already. */
export function withPause(record: DeploymentRecord, { key, isPaused, clockMs }: Pause): DeploymentRecord {
  if (record.pausedSchedules.includes(key) === isPaused) return record
  if (isPaused) return { ...record, pausedSchedules: [...record.pausedSchedules, key] }
  return {
    ...record,
    pausedSchedules: record.pausedSchedules.filter(paused => paused !== key),
    subscriptions: {
      ...record.subscriptions,
      [key]: { epoch: nextEpoch(record.subscriptions), from: moment(clockMs) },
    },
  }
}

/** All of its schedules start over at this time. */
export function restartSchedules(record: DeploymentRecord, clockMs: number): DeploymentRecord {
  const start = { epoch: nextEpoch(record.subscriptions), from: moment(clockMs) }
  const schedules = triggersIn(activeVersion(record)).filter(({ kind }) => kind === 'schedule')
  const starts = schedules.map(({ key }) => [key, start] as const)
  return { ...record, subscriptions: { ...record.subscriptions, ...Object.fromEntries(starts) } }
}

/** As the dispatcher needs them: without those that are paused. */
export function triggersOf(record: DeploymentRecord, version: VersionRecord): KnownView[] {
  return allTriggers(record, version).filter(({ key }) => !record.pausedSchedules.includes(key))
}

/** As clients see them at `nowMs`. */
export function viewTriggers(record: DeploymentRecord, version: VersionRecord, nowMs: number): KnownView[] {
  return allTriggers(record, version).map(trigger => {
    if (trigger.kind !== 'schedule') return trigger
    if (record.pausedSchedules.includes(trigger.key)) return { ...trigger, isPaused: true }
    const next = ticksOf(trigger.schedule, startMs(trigger.start)).next(nowMs)
    return { ...trigger, ...(next !== undefined && { nextAt: new Date(next).toISOString() }) }
  })
}

export function scheduleLines(records: readonly DeploymentRecord[], nowMs: number): ScheduleLine[] {
  const lines = records.flatMap(record =>
    viewTriggers(record, activeVersion(record), nowMs).flatMap(trigger => {
      if (trigger.kind !== 'schedule') return []
      const { key, label, isPaused, nextAt } = trigger
      return [{ name: record.name, key, label, ...(isPaused && { isPaused }), ...(nextAt !== undefined && { nextAt }) }]
    }),
  )
  const place = ({ nextAt }: ScheduleLine) => nextAt ?? '9'
  return lines.sort((a, b) => place(a).localeCompare(place(b)) || a.name.localeCompare(b.name))
}

function allTriggers(record: DeploymentRecord, version: VersionRecord): KnownView[] {
  return triggersIn(version).flatMap(trigger => {
    const start = record.subscriptions[startKey(trigger)]
    return start === undefined ? [] : [{ ...trigger, start }]
  })
}

function startMs({ from, epoch }: TriggerStart): number {
  return from.kind === 'time' ? Date.parse(from.time) : epoch
}
