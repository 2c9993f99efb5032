/** One way from a changed source to a new response. */
import type { DeployStep } from '../../agent/src/contract/index.ts'

export interface Way {
  name: string
  /** Changes the source, deploys it and resolves at its first response. */
  deploy(): Promise<Timing>
}

export interface Timing {
  totalMs: number
  /** How long each step took, if known. */
  steps: Partial<Record<DeployStep, number>> | undefined
}

export const STEPS: readonly DeployStep[] = ['checking', 'building', 'starting', 'switching']
