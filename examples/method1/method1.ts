import { call } from '@ryo-faas/runtime'

/**
 * Takes `{"data": "<url>"}`, calls that URL and returns the response. A path like `/functions/method2` is another
 * function of this platform, called with `call`, which passes on trace and deadline; anything else is a web address.
 */
export async function Method1(request: Request): Promise<Response> {
  const { data } = (await request.json().catch(() => ({}))) as { data?: unknown }
  if (typeof data !== 'string') return new Response('send {"data": "<url>"}\n', { status: 400 })

  const [, name, path = ''] = /^\/functions\/([\w-]+)(\/.*)?$/.exec(data) ?? []
  const answer = await answerOf(name === undefined ? fetch(data, { signal: request.signal }) : call(name, { path }))
  return Response.json({ url: data, ...answer })
}

interface Answer {
  status: number
  body: string
}

async function answerOf(pending: Promise<Response>): Promise<Answer> {
  const response = await pending
  return { status: response.status, body: await response.text() }
}
