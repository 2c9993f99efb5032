/** Whole tables in and out. */
import { createReadStream, createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { RyoFaasError } from '../../contract/index.ts'
import { tablePath, type StoreClient } from '../../client/index.ts'
import { countOf } from '../output.ts'
import { needed, type Asked } from './store-arguments.ts'

export async function exportTable(client: StoreClient, { given, args, context }: Asked): Promise<void> {
  const [table, file] = needed(given, ['table'])
  const response = await client.send('GET', `${tablePath(table)}/export?plain=${String(args['plain'])}`)
  const body = Readable.fromWeb(response.body as ReadableStream)
  if (file === undefined) {
    for await (const chunk of body) context.output.raw(chunk as Uint8Array)
    return
  }
  const path = resolve(context.cwd, file)
  await pipeline(body, createWriteStream(path))
  context.output.value({ table, file: path })
  context.output.line(`wrote ${path}`)
}

export async function importTable(client: StoreClient, { given, args, context }: Asked): Promise<void> {
  const [table, file] = needed(given, ['table', 'file'])
  const source = file === '-' ? context.stdin : createReadStream(await readable(resolve(context.cwd, file)))
  const response = await client.send(
    'POST',
    `${tablePath(table)}/import?events=${String(args['events'])}&plain=${String(args['plain'])}`,
    {
      body: source,
      contentType: file.endsWith('.json') ? 'application/json' : 'application/x-ndjson',
    },
  )
  const done = (await response.json()) as { imported: number }
  context.output.value({ table, ...done })
  context.output.line(`imported ${countOf(done.imported, 'document')} into ${table}`)
}

async function readable(path: string): Promise<string> {
  try {
    if ((await stat(path)).isFile()) return path
  } catch (error) {
    throw new RyoFaasError('INVALID_OPTION', `${path} cannot be read`, { cause: error })
  }
  throw new RyoFaasError('INVALID_OPTION', `${path} is not a file`)
}
