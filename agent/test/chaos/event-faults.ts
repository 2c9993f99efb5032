/** What is wrong with documents, their log and the runs of their trigger, when all is over. */
import type { StoreFetch } from '../support/platform.ts'
import { readDocument, type Happened, type WritersReport } from './documents-under-fire.ts'
import type { LoggedEvent } from './read-log.ts'

/** A run of the trigger. */
export interface SeenEvent {
  sequence: number
  id: string
}

export async function documentFaults(store: StoreFetch, { documents }: WritersReport): Promise<string[]> {
  const faults: string[] = []
  for (const [id, expected] of documents) {
    const found = await readDocument(store, id)
    const isRight = found?.version === expected?.version && found?.data.n === expected?.n
    if (!isRight) faults.push(`${id} is ${JSON.stringify(found)} and should be ${JSON.stringify(expected)}`)
  }
  return faults
}

/** Each write once, the versions of a document in order, no gap in the sequence. */
export function logFaults(log: LoggedEvent[], happened: Happened[]): string[] {
  const faults = log.flatMap(({ sequence }, index) =>
    sequence === index + 1 ? [] : [`event ${index + 1} of the log has the sequence ${sequence}`],
  )
  const textOf = ({ id, version, kind }: Happened) => `${id} v${version} ${kind}`
  const byDocument = (events: Happened[]) => {
    const grouped = new Map<string, Happened[]>()
    for (const event of events) grouped.set(event.id, [...(grouped.get(event.id) ?? []), event])
    return grouped
  }
  const [logged, written] = [byDocument(log), byDocument(happened)]
  for (const id of new Set([...logged.keys(), ...written.keys()])) {
    const [inLog, wanted] = [logged.get(id) ?? [], written.get(id) ?? []].map(events => events.map(textOf).join(', '))
    if (inLog !== wanted) faults.push(`the log has ${inLog} and should have ${wanted}`)
  }
  return faults
}

export function runFaults(log: LoggedEvent[], runs: SeenEvent[]): string[] {
  const seen = new Set(runs.map(({ sequence }) => sequence))
  const faults = log
    .filter(({ sequence }) => !seen.has(sequence))
    .map(({ sequence }) => `event ${sequence} was not seen`)
  const firsts = new Map<string, number[]>()
  for (const { sequence, id } of runs) {
    const before = firsts.get(id) ?? []
    if (before.includes(sequence)) continue
    if (sequence < (before.at(-1) ?? 0)) faults.push(`${id}: event ${sequence} was first seen after ${before.at(-1)}`)
    firsts.set(id, [...before, sequence])
  }
  return faults
}
