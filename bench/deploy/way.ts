/** A way from a changed source to a new answer. */
import type { DeployStep } from '../../agent/src/contract/index.ts'

export interface Way {
  name: string
  /** Changes the source, brings it to life and resolves once it answers. */
  deploy(): Promise<Timing>
}

export interface Timing {
  totalMs: number
  /** How long each step took, where the way tells. */
  steps: Partial<Record<DeployStep, number>> | undefined
}

export const STEPS: readonly DeployStep[] = ['checking', 'building', 'starting', 'switching']
