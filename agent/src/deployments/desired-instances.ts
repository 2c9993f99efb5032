/**
 * How many instances a deployment gets. One that was scaled stays scaled, unless deploy.json itself asks for another
 * number than it did. For a debugger there is one, and the number from before is kept for the deploy that ends it.
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
