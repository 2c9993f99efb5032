/** What of a function is not carried over into a cluster, for users to read. */
import { scheduleLabel } from '@ryo-faas/runtime/schedules'
import type { ExportedFunction } from './exported-function.ts'
import { objectName } from './manifests.ts'

/** Of all functions. */
export const GENERAL_NOTES = [
  'store(), call() and publish() of @ryo-faas/runtime find no platform in a cluster, and traces are not recorded there',
]

export function notesOf({
  route: own,
  version: { config, kind, served },
  scaledTo,
  notes,
}: ExportedFunction): string[] {
  const { access, cors, rate, domains, route, methods, scale, instances, networks, nodes } = config
  const isElastic = scaledTo === undefined && instances === undefined
  const hasQueue = config.async !== false || (served?.async?.length ?? 0) > 0
  const times = config.schedule.map(scheduleLabel).join(', ')
  const guarded = [access && '"access"', cors && '"cors"', rate && '"rate"', methods && '"methods"'].filter(Boolean)
  return [
    ...notes,
    ...(hasQueue ? ['asynchronous calls: each is answered when it is done, and not tried again'] : []),
    ...(config.on !== undefined || kind === 'service' ? ['triggers: nothing sends it events'] : []),
    // A controller of cron jobs promises neither that a time runs once nor that a missed one is made up for.
    ...(times === ''
      ? []
      : [
          `"schedule" (${times}): nothing calls it then. A CronJob that sends a POST to http://${objectName(own)} comes nearest; it may run a time twice or not at all`,
        ]),
    ...(isElastic && (scale?.min ?? 0) === 0 ? ['scaling from zero: one instance always runs'] : []),
    ...(isElastic && (scale?.max ?? 10) > Math.max(1, scale?.min ?? 0)
      ? ['"scale": add a HorizontalPodAutoscaler']
      : []),
    ...(guarded.length > 0 ? [`${guarded.join(', ')}: whoever reaches the Service may call it`] : []),
    ...(domains !== undefined || route !== undefined ? ['its "route" and "domains": add an Ingress'] : []),
    ...(networks === undefined ? [] : ['"networks"']),
    ...(nodes === undefined ? [] : ['"nodes"']),
  ]
}
