/** What a test says about the function that it runs. */
import type {
  CloudEventHandler,
  EventPattern,
  HttpHandler,
  PlainWebHandler,
  Service,
  TriggerHandler,
  WebHandler,
} from '../handlers.ts'
import type { DocumentEventKind } from '../protocol/index.ts'
import type { FunctionDefinition } from '../serve/function-definition.ts'
import { isApp } from '../serve/service-registration.ts'
import { foreignDefinition, isForeign, styleOf, type ForeignStyle } from './styles.ts'
import type { CallAnswer } from './test-calls.ts'
import type { ScheduleSpec } from './test-schedules.ts'
import type { TestClock, TestClockOptions } from '../schedules/manual-clock.ts'
import type { Seed, TestStore } from './test-store.ts'

export interface TestOptions {
  /** `context().name`; default: the name of the handler. */
  readonly name?: string
  /** What is in the store at first; or a store that is shared with other functions under test. Default: empty. */
  readonly store?: Seed | TestStore
  /** Who answers `call(name)`, by name. A call of another name rejects. */
  readonly call?: Readonly<Record<string, CallAnswer>>
  /** Variables that only this function sees in `process.env`, while it runs. */
  readonly env?: Readonly<Record<string, string>>
  /** As `env`: a function gets its secrets as variables. */
  readonly secrets?: Readonly<Record<string, string>>
  /** Default: a clock that runs, and can be advanced. */
  readonly clock?: TestClock | TestClockOptions
  /** Deadline of each invocation; default: none. */
  readonly timeoutMs?: number
  /** When it is called by the clock, as in deploy.json: each time that `clock` comes to is a call. */
  readonly schedule?: ScheduleSpec | readonly ScheduleSpec[]
  /** How often an event, or a call by the clock, is tried again if its handler fails; default: 0. */
  readonly retries?: number
  /** Logs and errors are only kept (`logs`, `errors`), not printed. */
  readonly quiet?: boolean
}

export interface TriggerSpec {
  readonly table: string
  /** Default: all three. */
  readonly events?: readonly DocumentEventKind[]
  /** Only these documents. */
  readonly ids?: readonly string[]
}

export type ServiceMain = (service: Service) => void | Promise<void>

export interface StyleOptions extends TestOptions {
  readonly style?: 'web' | 'node' | 'service' | ForeignStyle
  readonly on?: TriggerSpec | readonly TriggerSpec[]
  /** For events that are published: a trigger that takes whole events. */
  readonly onEvent?: EventPattern | readonly EventPattern[]
}

export type AnyHandler =
  PlainWebHandler | WebHandler | HttpHandler | ServiceMain | TriggerHandler<never> | CloudEventHandler<never> | object

export async function definitionOf(handler: AnyHandler, options: StyleOptions): Promise<FunctionDefinition> {
  const { name: given, style, on, onEvent } = options
  const own = typeof handler === 'function' ? handler : undefined
  const name = given ?? (own?.name || 'test')
  if (isForeign(style)) return foreignDefinition(name, handler, style)
  if (own === undefined) {
    const found = await styleOf(handler)
    if (found !== undefined) return foreignDefinition(name, handler, found)
    throw new TypeError(`testFunction() needs a function, an app or a module of handlers, not ${typeof handler}`)
  }
  if (onEvent !== undefined) {
    return { name, style: 'trigger', takesCloudEvent: true, handler: own as CloudEventHandler }
  }
  if (on !== undefined) return { name, style: 'trigger', handler: own as TriggerHandler }
  switch (style ?? (own.length >= 2 ? 'node' : 'web')) {
    case 'service':
      return { name, style: 'service', handler: own as ServiceMain }
    case 'node': {
      const target = own as HttpHandler
      return { name, style: 'node', takesContext: !isApp(target), handler: target } as FunctionDefinition
    }
    default:
      return { name, style: 'web', handler: own as WebHandler }
  }
}
