/** What a function is made of, whatever its style, and the handlers that come of it. */
import type { Service } from '../handlers.ts'
import type { Adapted, Adapter, Surroundings } from './dialects/index.ts'
import {
  adaptedHandler,
  singleHandler,
  singleTrigger,
  type EventHandler,
  type HandlerSet,
  type RequestHandler,
} from './handler-set.ts'
import type { Instance } from './instance.ts'
import { runOutsideRequests } from './life-invocation.ts'
import { ServiceRegistration } from './service-registration.ts'

export type FunctionDefinition = { readonly name: string } & (
  | RequestHandler
  | ({ readonly style: 'trigger' } & EventHandler)
  | { readonly style: 'service'; readonly handler: (service: Service) => void | Promise<void> }
  | DialectDefinition
)

/** What another platform would call: an adapter makes a handler of it. */
interface DialectDefinition {
  readonly style: 'dialect'
  readonly handler: unknown
  readonly adapter: Adapter
  readonly options: unknown
  readonly packages: Surroundings['packages']
}

export interface Handlers {
  handlers: HandlerSet
  /** After the last request. */
  stop?: () => Promise<void>
}

export async function handlersOf(definition: FunctionDefinition, instance: Instance): Promise<Handlers> {
  switch (definition.style) {
    case 'trigger':
      return { handlers: singleTrigger(definition) }
    case 'service': {
      const service = new ServiceRegistration()
      await definition.handler(service)
      await runOutsideRequests(instance, () => service.start())
      return { handlers: service, stop: () => runOutsideRequests(instance, () => service.stop()) }
    }
    case 'dialect': {
      const { handler, adapter, options, packages } = definition
      const { name, version } = instance.options
      const surroundings = { name, version, packages, env: process.env }
      const adapt = async (): Promise<Adapted> => adapter(handler, options as never, surroundings)
      const adapted = await runOutsideRequests(instance, adapt)
      const { stop } = adapted
      return { handlers: adaptedHandler(adapted), ...(stop && { stop: () => runOutsideRequests(instance, stop) }) }
    }
    default:
      return { handlers: singleHandler(definition) }
  }
}
