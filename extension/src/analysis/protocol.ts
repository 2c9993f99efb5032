/**
 * Messages between the editor's side and the analysis worker. The worker answers each question once, in the order in
 * which they were asked, except that outlines go before waiting checks.
 */
import type { DeploymentKind, Problem } from 'ryo-faas/contract'
import type { Range } from '../editor/range.ts'

/**
 * How a function looks before its types are resolved: `handler` has the parameter types of an accepted form, `perhaps`
 * mentions one of the types, `none` does neither.
 */
export type Likeness = 'handler' | 'perhaps' | 'none'

/** Something exported that might be a handler. */
export interface Candidate {
  /** Of the export, or what to call it if that has none. */
  name: string
  /** Where its name is declared or exported. */
  range: Range
  /** Everything that is exported, with the comment above it. */
  extent: Range
  likeness: Likeness
  /** The form that the types suggest. */
  kind: DeploymentKind
  /** It is the default export, or the methods of a route module: what an entry means that names no other export. */
  isStandard?: boolean
}

export interface Outline {
  candidates: Candidate[]
  /** False if the text does not parse: an earlier outline may be better. */
  isWhole: boolean
}

/** What a check is about: an entry of deploy.json, or a candidate that has none. */
export interface Subject {
  name: string
  kind: DeploymentKind
  /** The export, if the entry names it. */
  export?: string
  /** Absolute. */
  packageDir: string
}

export interface TextEdit {
  range: Range
  text: string
}

/** A change that removes a problem. */
export type Fix =
  | { kind: 'edit'; title: string; edits: TextEdit[]; isPreferred: boolean }
  /** `name` in the entry of deploy.json becomes `newName`. */
  | { kind: 'rename-entry'; title: string; newName: string; isPreferred: boolean }

export type Verdict =
  /** `dialect`: what it is, if it was written for another platform: `Hono app`. */
  { kind: 'accepted'; dialect?: string } | { kind: 'rejected'; findings: Finding[] }

export interface Finding {
  problem: Problem
  fixes: Fix[]
}

export interface CheckAnswer {
  /** One for each subject, in the same order. */
  verdicts: Verdict[]
}

export type Question =
  | { id: number; type: 'outline'; file: string; text: string }
  /** Without a text: as it is on disk. */
  | { id: number; type: 'check'; file: string; text: string | undefined; subjects: Subject[] }
  | { id: number; type: 'forget'; file: string }
  | { id: number; type: 'heap' }

export interface HeapAnswer {
  usedBytes: number
}

export type Answer =
  { id: number; result: Outline | CheckAnswer | HeapAnswer | undefined } | { id: number; error: string }

/** Given to the worker at its start. */
export interface WorkerSetup {
  /** `index.d.ts` of `@ryo-faas/runtime`, and of the `@types/node` for packages that have none. */
  types: { runtimeTypes: string; nodeTypes: string }
}
