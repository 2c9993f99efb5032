import { HEADERS } from '@ryo-faas/runtime/protocol'
import { deliveryToken } from '../../../access/index.ts'

/**
 * The header line by which an instance knows that a request comes from the dispatcher. Made once for each route.
 * @param functionsKey undefined: there is none, and instances trust no request
 */
export function deliveryLines(functionsKey: string | undefined): (route: string) => string {
  if (functionsKey === undefined) return () => ''
  const known = new Map<string, string>()
  return route => {
    let line = known.get(route)
    if (line === undefined) known.set(route, (line = `${HEADERS.delivery}: ${deliveryToken(functionsKey, route)}\r\n`))
    return line
  }
}
