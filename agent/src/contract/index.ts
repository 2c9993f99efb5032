export { routeOf } from '@ryo-faas/runtime/protocol'
