/** What of a function is not carried over into a cluster, for users to read. */
import type { ExportedFunction } from './exported-function.ts'

/** Of all functions. */
export const GENERAL_NOTES = [
  'store(), call() and publish() of @ryo-faas/runtime find no platform in a cluster, and traces are not recorded there',
]

export function notesOf({ version: { config, kind, served }, scaledTo, notes }: ExportedFunction): string[] {
  const { access, cors, rate, domains, route, methods, scale, instances, networks, nodes } = config
  const isElastic = scaledTo === undefined && instances === undefined
  const hasQueue = config.async !== false || (served?.async?.length ?? 0) > 0
  const guarded = [access && '"access"', cors && '"cors"', rate && '"rate"', methods && '"methods"'].filter(Boolean)
  return [
    ...notes,
    ...(hasQueue ? ['asynchronous calls: each is answered when it is done, and not tried again'] : []),
    ...(config.on !== undefined || kind === 'service' ? ['triggers: nothing sends it events'] : []),
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
