/** What a function is made of, whatever its style, and the handlers that come of it. */
import type { Service, TriggerHandler } from '../handlers.ts'
import { singleHandler, singleTrigger, type HandlerSet, type RequestHandler } from './handler-set.ts'
import type { Instance } from './instance.ts'
import { runOutsideRequests } from './life-invocation.ts'
import { ServiceRegistration } from './service-registration.ts'

export type FunctionDefinition = { readonly name: string } & (
  | RequestHandler
  | { readonly style: 'trigger'; readonly handler: TriggerHandler }
  | { readonly style: 'service'; readonly handler: (service: Service) => void | Promise<void> }
)

export interface Handlers {
  handlers: HandlerSet
  /** After the last request. */
  stop?: () => Promise<void>
}

export async function handlersOf(definition: FunctionDefinition, instance: Instance): Promise<Handlers> {
  switch (definition.style) {
    case 'trigger':
      return { handlers: singleTrigger(definition.handler) }
    case 'service': {
      const service = new ServiceRegistration()
      await definition.handler(service)
      await runOutsideRequests(instance, () => service.start())
      return { handlers: service, stop: () => runOutsideRequests(instance, () => service.stop()) }
    }
    default:
      return { handlers: singleHandler(definition) }
  }
}
