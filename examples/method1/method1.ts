import { get as getHttp, type IncomingMessage } from 'node:http'
import { get as getHttps } from 'node:https'
import { text } from 'node:stream/consumers'
import { call } from '@ryo-faas/runtime'

/**
 * Takes `{"data": "<url>"}`, calls that url and answers what it got. A path like `/functions/method2` is another
 * function of this platform, called with `call`, which carries trace and deadline on; anything else is a web address.
 */
export async function Method1(request: Request): Promise<Response> {
  const { data } = (await request.json().catch(() => ({}))) as { data?: unknown }
  if (typeof data !== 'string') return new Response('send {"data": "<url>"}\n', { status: 400 })

  const [, name, path = ''] = /^\/functions\/([\w-]+)(\/.*)?$/.exec(data) ?? []
  const answer = name === undefined ? await get(data, request.signal) : await answerOf(call(name, { path }))
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

/** Not `fetch`, which refuses port 6000, where functions listen inside the private network. */
async function get(url: string, signal: AbortSignal): Promise<Answer> {
  const send = url.startsWith('https:') ? getHttps : getHttp
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    send(url, { signal }, resolve).once('error', reject)
  })
  return { status: response.statusCode ?? 0, body: await text(response) }
}
