/** The functions of `machines-run.ts`. All but the synchronous one tell the receiver of each run before they answer. */
import type { StoreFetch } from '../support/platform.ts'
import { TABLE } from './documents-under-fire.ts'
import type { LiveProxies } from './live-proxies.ts'

const REQUEST_MS = 5_000
const TRIES = { attempts: 100, backoffMs: 100, concurrency: 16 }
/** The proxies are open to the network. */
const OPEN = { access: 'public' }

export function functionsTelling(receiver: string): Record<string, { code: string; options: Record<string, unknown> }> {
  const tell = `
import { context, type DocumentEvent } from '@ryo-faas/runtime'
const tell = async (line: object) => {
  const { ok } = await fetch(${JSON.stringify(receiver)} + '/' + process.env.RYO_FAAS_FUNCTION, {
    method: 'POST', body: JSON.stringify(line), signal: AbortSignal.timeout(5_000),
  })
  if (!ok) throw new Error('not heard')
}
`
  return {
    hello: helloOf(1),
    work: {
      code: `${tell}
export const work = async (request: Request) => {
  const { callId } = context()
  const { n, padding } = (await request.json()) as { n: number; padding: string }
  await tell({ callId, n })
  return Response.json({ n, callId, padding })
}`,
      options: { ...OPEN, instances: 3, async: TRIES },
    },
    seen: {
      code: `${tell}
export const seen = ({ sequence, id, version, kind }: DocumentEvent) => tell({ sequence, id, version, kind })`,
      options: {
        ...{ instances: 2, async: TRIES },
        on: [{ table: TABLE, events: ['new-doc', 'updated-doc', 'deleted-doc'] }],
      },
    },
    ticks: {
      code: `${tell}
export const ticks = async (request: Request) => {
  await tell({ at: Date.parse(request.headers.get('x-scheduled-at')!), callId: context().callId })
  return new Response()
}`,
      options: {
        ...{ instances: 1, async: TRIES },
        schedule: [{ cron: '* * * * * *', missed: 'all', overlap: 'queue' }],
      },
    },
    // What a function may do at the store, asked for from outside.
    documents: {
      code: `
export const documents = async (request: Request) => {
  const { method, path, body } = (await request.json()) as { method: string; path: string; body?: string }
  const headers = { authorization: \`Bearer \${process.env.RYO_FAAS_TOKEN}\`, 'content-type': 'application/json' }
  const response = await fetch(process.env.RYO_FAAS_STORE_URL + path, { method, headers, ...(body && { body }) })
  return new Response(await response.text(), { status: response.status })
}`,
      options: { ...OPEN, instances: 3 },
    },
  }
}

/** It answers with the body of the request, and its version in a header. */
export function helloOf(version: number, instances = 3): { code: string; options: Record<string, unknown> } {
  return {
    code: `
export const hello = async (request: Request) =>
  new Response(await request.text(), { headers: { 'x-version': '${version}' } })`,
    options: { ...OPEN, instances },
  }
}

/** The store, through the function `documents` at any proxy that lives. */
export function storeThrough(proxies: LiveProxies): StoreFetch {
  return async (path, { method = 'GET', body } = {}) => {
    const url = proxies.next()
    try {
      return await fetch(`${url}/functions/documents`, {
        method: 'POST',
        body: JSON.stringify({ method, path, ...(typeof body === 'string' && { body }) }),
        signal: AbortSignal.timeout(REQUEST_MS),
      })
    } catch (error) {
      proxies.failed(url)
      throw error
    }
  }
}
