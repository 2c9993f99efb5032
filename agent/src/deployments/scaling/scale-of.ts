/**
 * How many instances a deployment may have. deploy.json says so, with a number or a range; `ryo-faas scale` overrides
 * it until deploy.json itself asks for something else than before. A debugger gets one instance, which never sleeps.
 */
import { isDeepStrictEqual } from 'node:util'
import { Scale, type DeployEntry } from '../../contract/index.ts'
import { activeVersion, type DeploymentRecord } from '../state/index.ts'

type Overrides = Pick<DeploymentRecord, 'scaledTo' | 'debugPort'>

export function scaleOf({ scaledTo, debugPort }: Overrides, { instances, scale }: DeployEntry): Scale {
  const asked = Scale.parse(scale ?? {})
  const always = (count: number): Scale => ({ ...asked, min: count, max: count })
  if (debugPort !== undefined) return always(1)
  if (scaledTo === 0) return { ...asked, min: 0, max: Math.max(asked.max, instances ?? 0) }
  const fixed = scaledTo ?? instances
  return fixed === undefined ? asked : always(fixed)
}

/** Of the active version. */
export function scaleOfRecord(record: DeploymentRecord): Scale {
  return scaleOf(record, activeVersion(record).config)
}

/** Whether their number follows the calls. */
export function isElastic({ min, max }: Scale): boolean {
  return min < max
}

/** What `ryo-faas scale` said, if that still holds with a new entry. */
export function keptOverride(before: DeploymentRecord | undefined, entry: DeployEntry): number | undefined {
  if (before === undefined) return undefined
  const { instances, scale } = activeVersion(before).config
  return isDeepStrictEqual([instances, scale], [entry.instances, entry.scale]) ? before.scaledTo : undefined
}
