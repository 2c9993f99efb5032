/** What the store's tests share: a store on a free port with data of its own, and a client that shows all of an answer. */
import { mkdtemp, rm } from 'node:fs/promises'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AS_OPERATOR, TEST_KEYS } from '../../access/access-testing.ts'
import type { DocumentStore } from './documents/index.ts'
import type { StoreEvent } from './events.ts'
import type { StoreInput } from './options.ts'
import { createStore, type Store } from './store.ts'

export { untilTrue as until } from '../../../test/support/until.ts'

export interface Answer {
  status: number
  headers: http.IncomingHttpHeaders
  text: string
  /** The body, if it is JSON. */
  json: any // eslint-disable-line @typescript-eslint/no-explicit-any -- what a test expects of it says more
}

export interface Asked {
  headers?: Record<string, string>
  /** Sent as it is if it is a string or bytes, else as JSON. */
  body?: unknown
}

export class Stage {
  readonly events: StoreEvent[] = []
  readonly folder: string
  readonly #closers: (() => Promise<unknown> | void)[] = []

  private constructor(folder: string) {
    this.folder = folder
  }

  static async open(): Promise<Stage> {
    const stage = new Stage(await mkdtemp(join(tmpdir(), 'store-')))
    stage.onEnd(() => rm(stage.folder, { recursive: true, force: true }))
    return stage
  }

  get dataFolder(): string {
    return join(this.folder, 'data')
  }

  onEnd(close: () => Promise<unknown> | void): void {
    this.#closers.push(close)
  }

  async end(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close()
  }

  /** @param documents where it keeps them; default: what the registry names */
  async store(input: Partial<StoreInput> = {}, documents?: DocumentStore): Promise<Store> {
    const options = { dataFolder: this.dataFolder, access: TEST_KEYS, port: 0, graceMs: 200, ...input }
    const store = await createStore(options, {
      onEvent: event => this.events.push(event),
      ...(documents !== undefined && { open: async () => documents }),
    })
    this.onEnd(() => store.close())
    return store
  }
}

/** Asks as the operator, unless another `authorization` is given. Keeps the path as it is, which `fetch` would tidy up. */
export function ask(port: number, what: string, { headers = {}, body }: Asked = {}): Promise<Answer> {
  const [method, path] = what.split(' ', 2) as [string, string]
  const isRaw = typeof body === 'string' || body instanceof Uint8Array
  const content = body === undefined || isRaw ? body : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const type = body === undefined ? {} : { 'content-type': 'application/json' }
    const request = http.request(
      { port, host: '127.0.0.1', method, path, headers: { ...type, ...AS_OPERATOR, ...headers } },
      response => {
        const pieces: Buffer[] = []
        response.on('data', (piece: Buffer) => pieces.push(piece))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(pieces).toString('utf8')
          const isJson =
            response.headers['content-type']?.includes('json') && !response.headers['content-type'].includes('ndjson')
          resolve({
            status: response.statusCode!,
            headers: response.headers,
            text,
            json: isJson ? (JSON.parse(text) as unknown) : undefined,
          })
        })
      },
    )
    request.on('error', reject)
    request.end(content)
  })
}
