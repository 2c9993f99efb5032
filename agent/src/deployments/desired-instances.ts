/**
 * How many instances a deployment gets. One that was scaled stays scaled, unless deploy.json itself asks for a
 * different number than before. A debugger gets one, and the earlier number is kept for the deploy that ends debugging.
 */
import type { DeployEntry } from '../contract/index.ts'
import { activeVersion, type DeploymentRecord } from './state/index.ts'

export function desiredInstances(before: DeploymentRecord | undefined, entry: DeployEntry): number {
  if (!before || activeVersion(before).config.instances !== entry.instances) return entry.instances
  return undebuggedInstances(before) ?? entry.instances
}

/** For a deployment without a debugger. */
export function undebuggedInstances(record: DeploymentRecord | undefined): number | undefined {
  return record?.debugPort === undefined ? record?.instances : record.undebuggedInstances
}
