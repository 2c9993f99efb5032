/**
 * Migrates a state that an earlier release wrote to the current format, one step per format. The result is
 * validated like any other; the file itself is written with the next change.
 */
import { z } from 'zod'
import { RyoFaasError } from '../../contract/index.ts'
import { STATE_FORMAT } from './state.ts'

type State = Record<string, unknown>

/** By the format that a step starts from. */
const STEPS: Readonly<Record<number, (state: State) => State>> = {
  1: withProtocols,
  2: withLanguages,
  3: withOverrides,
}

const AnyFormat = z.looseObject({ format: z.int().min(1) })

/** @throws RyoFaasError HOME_UNUSABLE for the state of a later release; ZodError if it is not a state at all */
export function migrated(raw: unknown): unknown {
  let state: State = AnyFormat.parse(raw)
  let { format } = AnyFormat.parse(raw)
  if (format > STATE_FORMAT) {
    throw new RyoFaasError('HOME_UNUSABLE', `the state was written by a later release of ryo-faas (format ${format})`, {
      hint: 'Use that release, or another RYO_FAAS_HOME.',
    })
  }
  for (; format < STATE_FORMAT; format++) state = { ...STEPS[format]!(state), format: format + 1 }
  return state
}

const Versions = z.looseObject({
  deployments: z.record(z.string(), z.looseObject({ versions: z.array(z.looseObject({})) })),
})

/** Versions were built with a runtime that does not identify its instance. */
function withProtocols(state: State): State {
  return withVersions(state, version => ({ protocol: 1, ...version }))
}

/** There was one language, and a version stored how its handler is called, which its bundle already knows. */
function withLanguages(state: State): State {
  return withVersions(state, ({ style: _, ...version }) => ({ language: 'node', ...version }))
}

const Numbers = z.looseObject({
  active: z.int(),
  instances: z.int().optional(),
  undebuggedInstances: z.int().optional(),
  debugPort: z.int().optional(),
  versions: z.array(z.looseObject({ version: z.int(), config: z.looseObject({ instances: z.int().optional() }) })),
})

/** A deployment stored its number of instances, whoever had said it. */
function withOverrides(state: State): State {
  const { deployments } = z.looseObject({ deployments: z.record(z.string(), Numbers) }).parse(state)
  const changed = Object.entries(deployments).map(([route, { instances, undebuggedInstances, ...record }]) => {
    const number = record.debugPort === undefined ? instances : undebuggedInstances
    const configured = record.versions.find(({ version }) => version === record.active)?.config.instances
    return [route, { ...record, ...(number !== undefined && number !== configured && { scaledTo: number }) }]
  })
  return { ...state, deployments: Object.fromEntries(changed) }
}

function withVersions(state: State, change: (version: State) => State): State {
  const { deployments } = Versions.parse(state)
  return {
    ...state,
    deployments: Object.fromEntries(
      Object.entries(deployments).map(([route, record]) => [
        route,
        { ...record, versions: record.versions.map(change) },
      ]),
    ),
  }
}
