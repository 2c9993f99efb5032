import type { RequestInit, Response } from 'undici'
import { HEADERS, routeOf } from '@ryo-faas/runtime/protocol'
import { RyoFaasError, type CallView } from '../../contract/index.ts'
import type { Command, Context } from '../context.ts'
import { DATA_HELP, readData } from '../data-argument.ts'
import { formatDuration } from '../output.ts'
import { CallsClient, PlatformErrorSchema, provenConnector, type AgentClient, type Door } from '../../client/index.ts'
import { Reported } from './reported.ts'

export const invoke: Command = {
  usage: 'invoke <name>',
  describe: 'Call a function and print the response',
  options: yargs =>
    yargs
      .positional('name', { type: 'string', demandOption: true, describe: 'Deployment name' })
      .option('data', { type: 'string', nargs: 1, alias: 'd', describe: `Body; ${DATA_HELP}` })
      .option('header', { type: 'string', array: true, nargs: 1, alias: 'H', describe: 'A header, "name: value"' })
      .option('path', { type: 'string', default: '', describe: 'Path after the function name, e.g. /items?x=1' })
      .option('method', { type: 'string', alias: 'X', describe: 'HTTP method (default: GET, or POST with --data)' })
      .option('async', { type: 'boolean', default: false, describe: 'Queue the call (Prefer: respond-async)' })
      .option('wait', { type: 'boolean', default: false, describe: 'With an asynchronous call: wait for its result' })
      .option('include', { type: 'boolean', alias: 'i', default: false, describe: 'Also print status and headers' }),
  run: async (args, context) => {
    const { output } = context
    const body = await readData(args['data'] as string | undefined, context)
    const agent = await context.connect()
    const proxy = await agent.door('proxy')
    const begin = performance.now()
    const response = await send(
      `${proxy.url}/functions/${routeOf(String(args['name']))}${pathFrom(args['path'] as string)}`,
      {
        method: (args['method'] as string | undefined) ?? (body === undefined ? 'GET' : 'POST'),
        headers: [...headersFrom(args['header'] as string[] | undefined, { body, isAsync: args['async'] === true })],
        signal: context.signal,
        ...(body !== undefined && { body }),
      },
      proxy,
    )
    const callId = response.headers.get(HEADERS.callId)
    if (args['wait'] && response.status === 202 && callId !== null) {
      await response.body?.cancel()
      return follow(new CallsClient(proxy, context.signal), callId, context)
    }
    if (args['include']) {
      output.line(`HTTP ${response.status} ${response.statusText}`)
      response.headers.forEach((value, name) => output.line(`${name}: ${value}`))
      output.line()
    }
    if (output.json || response.headers.has(HEADERS.error)) {
      const text = await response.text()
      const durationMs = performance.now() - begin
      output.value({ status: response.status, headers: Object.fromEntries(response.headers), body: text, durationMs })
      await explainUnknown(response, agent, String(args['name']))
      return settle(response, text, context)
    }
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) output.raw(chunk)
    output.note(output.colors.dim(`\n${response.status} in ${formatDuration(performance.now() - begin)}`))
    settle(response, '', context)
  },
}

/** Prints each change of the call, then the function's response. */
async function follow(client: CallsClient, id: string, { output }: Context): Promise<void> {
  let last: CallView | undefined
  for await (const call of client.follow(id)) {
    if (call.status !== last?.status || call.attempts.length !== last.attempts.length) {
      output.note(output.colors.dim(`${id} ${call.status}, attempt ${call.attempts.length}`))
    }
    last = call
  }
  last ??= await client.show(id)
  const isKept = last.result !== undefined && last.result.tooLarge === undefined
  const text = isKept ? await (await client.result(id)).text() : ''
  output.value({ ...last, body: text })
  if (!output.json) output.raw(text)
  // A call that succeeded has an error if its result was too large to be kept.
  if (last.status === 'succeeded' && last.error === undefined) return
  const message = last.error ? `${last.error.code}: ${last.error.message}` : `the call is ${last.status}`
  throw new Reported(new RyoFaasError('INVALID_REQUEST', message), output.json)
}

/** @throws RyoFaasError DEPLOYMENT_NOT_FOUND with the name that was probably meant, if nothing is deployed by this one */
async function explainUnknown(response: Response, agent: AgentClient, name: string): Promise<void> {
  if (response.headers.get(HEADERS.error) === 'FUNCTION_NOT_FOUND') await agent.call('deployment', { params: { name } })
}

/** A status of 400 or above makes the exit code 1; an error of the platform is explained. */
function settle(response: Response, text: string, { output }: Context): void {
  if (response.status < 400) return
  const code = response.headers.get(HEADERS.error)
  if (code === null)
    throw new Reported(new RyoFaasError('INVALID_REQUEST', `the function returned ${response.status}`), true)
  const parsed = PlatformErrorSchema.safeParse(parseJson(text))
  const message = parsed.success ? parsed.data.error.message : `${response.status} ${response.statusText}`
  const hint = code === 'FUNCTION_NOT_FOUND' ? 'ryo-faas details lists what is deployed.' : undefined
  const error = new RyoFaasError('INVALID_REQUEST', `${code}: ${message}`, hint === undefined ? {} : { hint })
  throw new Reported(error, output.json)
}

/**
 * Returns the function's response, redirects included: the user wants to see where they lead. Node's own `fetch` gives
 * up after five minutes of silence; a function's timeout may be a day, and the proxy enforces it.
 * @param door of the proxy: with its token, functions with any access rule take the call
 */
export async function send(url: string, init: RequestInit, door?: Door): Promise<Response> {
  const { Agent, buildConnector, fetch, Headers } = (await import('undici')).default // Loaded for this command only.
  const connect = door === undefined ? {} : { connect: provenConnector(buildConnector, door) }
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0, ...connect })
  const headers = new Headers(init.headers)
  if (door !== undefined) headers.set('proxy-authorization', `Bearer ${door.token}`)
  try {
    return await fetch(url, { ...init, headers, redirect: 'manual', dispatcher })
  } catch (error) {
    if (init.signal?.aborted) throw new RyoFaasError('CANCELLED', 'cancelled', { cause: error })
    const cause = (error as Error).cause as Error | undefined
    throw new RyoFaasError('NOT_RUNNING', `${url} is not responding: ${cause?.message ?? (error as Error).message}`, {
      hint: 'ryo-faas details shows the state of the proxy.',
      cause: error,
    })
  }
}

/** A JSON body gets its content type; any other body needs a header from the user. */
function headersFrom(given: string[] | undefined, { body, isAsync }: { body: unknown; isAsync: boolean }): Headers {
  const headers = new Headers()
  if (isAsync) headers.set('prefer', 'respond-async')
  if (typeof body === 'string' && parseJson(body) !== undefined) headers.set('content-type', 'application/json')
  for (const header of given ?? []) {
    const [name, ...value] = header.split(':')
    try {
      headers.set(name!.trim(), value.join(':').trim())
    } catch (error) {
      throw new RyoFaasError('INVALID_OPTION', `--header "${header}" is not "name: value"`, { cause: error })
    }
  }
  return headers
}

function pathFrom(text: string): string {
  return text === '' || /^[/?]/.test(text) ? text : `/${text}`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined // Text, then.
  }
}
