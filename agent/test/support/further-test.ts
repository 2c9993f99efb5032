import { test } from 'vitest'
import { IS_WHOLE } from './whole-suite.ts'

/** A case for the whole suite alone: another one of the gate is its sample, or proves as much in another way. */
export const furtherTest: (title: string, run: () => Promise<void>, timeoutMs?: number) => void = IS_WHOLE
  ? test
  : () => undefined
