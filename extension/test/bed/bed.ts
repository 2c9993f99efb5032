/** What all tests in an editor share. It is made while others run, and may not be there yet. */
import { readFile } from 'node:fs/promises'
import { inject } from 'vitest'
import { until } from '../../../agent/test/support/until.ts'

export interface Bed {
  editor: string
  chromium: string
  /** Folder in which the packaged extension is installed. */
  extensions: string
}

/** What is in the file that tells of it. */
export type BedOutcome = { kind: 'made'; bed: Bed } | { kind: 'failed'; message: string }

declare module 'vitest' {
  export interface ProvidedContext {
    /** A file that is there once there is an outcome. */
    bedFile: string
  }
}

/** @throws an error that says why there is none */
export async function bed(): Promise<Bed> {
  const file = inject('bedFile')
  const text = await until(() => readFile(file, 'utf8').catch(() => undefined), 100_000, 'the extension is packed')
  const outcome = JSON.parse(text) as BedOutcome
  if (outcome.kind === 'failed') throw new Error(outcome.message)
  return outcome.bed
}
