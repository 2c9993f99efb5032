/** All generated pages. What they are made of is the code's own: nobody keeps them in step by hand. */
import { readFile } from 'node:fs/promises'
import * as contract from '../../agent/src/contract/index.ts'
import * as storeContract from '../../agent/src/services/store/api/contract.ts'
import { apiPage } from './api-page.ts'
import { commandLinePage } from './command-line-page.ts'
import { agentDocument, callsApiDocument, storeApiDocument } from './open-api.ts'
import { runtimePage } from './runtime-page.ts'
import { namesOf } from './shape.ts'
import { deployFilePage, errorsPage, optionsPage } from './tables.ts'

export const REFERENCE = new URL('../reference/', import.meta.url)
const AGENT_PACKAGE = new URL('../../agent/package.json', import.meta.url)
const RUNTIME = new URL('../../runtime/', import.meta.url)

/** Name of the file → its text. */
export async function generatePages(): Promise<Map<string, string>> {
  const { version } = JSON.parse(await readFile(AGENT_PACKAGE, 'utf8')) as { version: string }
  return new Map([
    ['deploy-json.md', deployFilePage()],
    ['options.md', optionsPage()],
    ['errors.md', errorsPage()],
    ['command-line.md', await commandLinePage(version)],
    ['runtime.md', await runtimePage(ENTRIES)],
    ['agent-api.md', apiPage({ ...ABOUT_AGENT, document: await agentDocument(version), nameOf: namesOf(contract) })],
    ['calls-api.md', apiPage({ ...ABOUT_CALLS, document: callsApiDocument() })],
    ['store-api.md', apiPage({ ...ABOUT_STORE, document: await storeApiDocument(), nameOf: namesOf(storeContract) })],
  ])
}

const ENTRIES = [
  { name: '@ryo-faas/runtime', file: new URL('src/index.ts', RUNTIME) },
  { name: '@ryo-faas/runtime/testing', file: new URL('src/kit/index.ts', RUNTIME) },
]

const ERRORS = 'Errors are `{"error":{"code":…,"message":…}}`: see [Error codes](./errors.md).'

const ABOUT_AGENT = {
  title: 'Agent API',
  about: `The agent listens on \`127.0.0.1:9998\`; the command line and the editor use this API. Send the token of the platform: \`Authorization: Bearer $(cat ~/.ryo-faas/token)\`. It is new at every start.

A response of type \`application/x-ndjson\` is a stream: one JSON value per line, empty lines are heartbeats. ${ERRORS} The agent serves this description as an OpenAPI document at \`/openapi.json\`.`,
}

const ABOUT_CALLS = {
  title: 'Calls API',
  about: `Asynchronous calls, and events for triggers, at the proxy: \`http://127.0.0.1:9999\`. Anyone who knows the id of a call may see it; lists, cancelling and redriving need the token of the platform (\`Authorization: Bearer $(cat ~/.ryo-faas/token)\`). [Asynchronous calls](../guide/async.md) and [Events](../guide/events.md) tell how they behave.

${ERRORS} The proxy serves this description as an OpenAPI document at \`/openapi.json\`, with the token.`,
}

const ABOUT_STORE = {
  title: 'Store API',
  about: `Tables of JSON documents, at \`http://127.0.0.1:5001\`. Every request needs a token: that of the platform (\`Authorization: Bearer $(cat ~/.ryo-faas/token)\`), or that of a function, which \`store()\` sends. [The store](../guide/store.md) tells how it behaves.

${ERRORS} The store serves this description as an OpenAPI document at \`/openapi.json\`.`,
}
