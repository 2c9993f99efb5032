/** A trace started by the platform, with custom spans and baggage in it. */
import { propagation, SpanStatusCode, trace } from '@opentelemetry/api'
import { call, context } from '@ryo-faas/runtime'

const tracer = trace.getTracer('shop')

/** POST `{"customer":"ada","items":[{"name":"tea","price":3}]}`: totals it up and asks another function for the tax. */
export async function Checkout(request: Request): Promise<Response> {
  const { customer, items } = (await request.json()) as { customer: string; items: { name: string; price: number }[] }
  // The span of this invocation; the platform ends it.
  trace.getActiveSpan()?.setAttribute('shop.customer', customer)
  const net = tracer.startActiveSpan('total', { attributes: { 'shop.items': items.length } }, span => {
    try {
      context().log.info(`${items.length} items for ${customer}`)
      return items.reduce((sum, { price }) => sum + price, 0)
    } finally {
      span.end()
    }
  })
  // It propagates trace and baggage, and is a span itself.
  const answer = await call('Tax', { path: `?net=${net}` })
  const { tax } = (await answer.json()) as { tax: number }
  return Response.json({ customer, net, tax, gross: net + tax, trace: context().traceId })
}

/** GET `?net=3`: the rate depends on the baggage entry `country`, set by whoever started the trace. */
export async function Tax(request: Request): Promise<Response> {
  const net = Number(new URL(request.url).searchParams.get('net'))
  const country = propagation.getActiveBaggage()?.getEntry('country')?.value ?? 'DE'
  const span = tracer.startSpan('look up rate', { attributes: { 'shop.country': country } })
  const rate = { DE: 0.19, FR: 0.2 }[country]
  if (rate === undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: `no rate for ${country}` })
  span.end()
  if (rate === undefined) return Response.json({ error: `no rate for ${country}` }, { status: 422 })
  return Response.json({ tax: Math.round(net * rate * 100) / 100 })
}
