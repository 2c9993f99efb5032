/**
 * The triggers of a version, and where each of them starts.
 *
 * Invariants: 1. An existing handler resumes where it was; a new one starts with the first change
 * after its deployment. 2. A later start has a greater epoch, even after restarts and if the clock is set back.
 */
import { TRIGGER_KEY } from '@ryo-faas/runtime/protocol'
import type { StartFrom, Trigger, TriggerKind, TriggerStart, TriggerView } from '../contract/index.ts'
import type { DeploymentRecord, VersionRecord } from './state/index.ts'

/** The trigger of each handler, by its key. */
function handlersOf({ kind, config, served }: VersionRecord): Map<string, Trigger[]> {
  switch (kind) {
    case 'trigger':
      return new Map([[TRIGGER_KEY, config.on ?? []]])
    case 'service':
      return new Map(served?.triggers.map(({ key, ...filter }) => [key, [filter]]))
    case 'http':
    case 'async':
      return new Map()
  }
}

export interface SubscribeOptions {
  before: DeploymentRecord | undefined
  version: VersionRecord
  /** Where all start, including known ones; default: new ones start now. */
  from?: StartFrom | undefined
  /** Called if something starts now. */
  now: () => Promise<StartFrom>
}

/** @throws what `now` throws. */
export async function subscribe(options: SubscribeOptions): Promise<Record<string, TriggerStart>> {
  const { before, version, from } = options
  const known = before?.subscriptions ?? {}
  const keys = [...handlersOf(version).keys()]
  const isNew = (key: string) => from !== undefined || known[key] === undefined
  if (!keys.some(isNew)) return Object.fromEntries(keys.map(key => [key, known[key]!]))
  const start = { epoch: nextEpoch(known), from: from ?? (await options.now()) }
  return Object.fromEntries(keys.map(key => [key, isNew(key) ? start : known[key]!]))
}

export function nextEpoch(known: Record<string, TriggerStart>): number {
  return Math.max(Date.now(), ...Object.values(known).map(({ epoch }) => epoch + 1))
}

/** As the dispatcher needs it. */
export function triggersOf(record: DeploymentRecord, version: VersionRecord): (TriggerView & { kind: TriggerKind })[] {
  return [...handlersOf(version)].flatMap(([key, filters]) => {
    const start = record.subscriptions[key]
    return start === undefined ? [] : [{ key, kind: 'document' as const, filters, start }]
  })
}
