/** Runs handlers of the shape `(request, response, context)`, which get Node's own objects. */
import type { EventEmitter } from 'node:events'
import { running } from '../context.ts'
import type { NodeStyleHandler } from './handler-set.ts'
import type { Invocation } from './invocation.ts'
import { isResponse } from './web-style.ts'

export async function runNodeHandler(target: NodeStyleHandler, invocation: Invocation): Promise<void> {
  const { request, response, upgrade } = invocation
  bindEvents(request, invocation)
  bindEvents(response, invocation)
  if (upgrade) bindEvents(upgrade.socket, invocation)
  const returned: unknown = await (target.takesContext
    ? target.handler(request, response, invocation.context)
    : target.handler(request, response))
  if (returned !== undefined && isResponse(returned) && !response.headersSent) {
    throw new TypeError("A node-style handler returned a Response; in a service, register it with { style: 'web' }")
  }
}

/**
 * Runs the listeners of `emitter` inside the invocation. Node emits them in the context of the connection, in which
 * `context()` would find nothing and an error thrown in `request.on('end', …)` could not be told to the right client.
 */
function bindEvents(emitter: EventEmitter, invocation: Invocation): void {
  const emit = emitter.emit
  emitter.emit = function (this: EventEmitter, ...event: Parameters<EventEmitter['emit']>): boolean {
    return running.run(invocation, () => emit.apply(this, event))
  }
}
