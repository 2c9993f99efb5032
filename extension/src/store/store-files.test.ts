import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { answerProof } from 'ryo-faas/contract'
import type * as vscode from 'vscode'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FakeEditor, type FakeDocument } from '../testing/fake-editor.ts'
import { FakeUi } from '../testing/fake-ui.ts'
import { placeOf, StoreFiles } from './store-files.ts'

/** One document, of which we say what somebody else makes of it. */
let stored: { version: number; data: unknown } | undefined
let puts: number
let server: Server
let editor: FakeEditor
let files: StoreFiles
let uri: vscode.Uri
let document: FakeDocument
let ui: FakeUi
let chosen: string | undefined

beforeEach(async () => {
  chosen = undefined
  stored = { version: 1, data: 'read' }
  puts = 0
  server = createServer(async (request, response) => {
    response.setHeader('content-type', 'application/json')
    const proof = answerProof('token', { url: request.url!, port: request.socket.localPort! })
    if (proof !== undefined) return void response.end(proof)
    const answer = (status: number, body: unknown) => void response.writeHead(status).end(JSON.stringify(body))
    if (request.method === 'PUT') {
      puts++
      const given = request.headers['if-match'] ?? (request.headers['if-none-match'] && '"0"')
      if (given !== `"${stored?.version ?? 0}"`) return answer(412, { error: { code: 'C', message: 'changed' } })
      const { data } = JSON.parse(await text(request)) as { data: unknown }
      stored = { version: (stored?.version ?? 0) + 1, data }
    }
    if (!stored) return answer(404, { error: { code: 'N', message: 'none' } })
    answer(200, { id: 'ann', table: 'users', createdAt: '', editedAt: '', ...stored })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  editor = new FakeEditor()
  ui = new FakeUi()
  files = new StoreFiles({ editor: editor.api, ui, door: () => ({ url, token: 'token' }), server: () => chosen })
  uri = files.uriOf({ table: 'users', id: 'ann' })
  document = editor.open(uri, Buffer.from(await files.readFile(uri)).toString())
  document.write = content => files.writeFile(uri, Buffer.from(content))
})

afterEach(async () => {
  const closed = new Promise(resolve => server.close(resolve))
  server.closeAllConnections()
  await closed
})

test('a document that was opened on one machine is neither read nor saved on another', async () => {
  document.type('"mine"')
  chosen = 'shop'
  await expect(document.save()).rejects.toThrow('it is of this machine, and another one is chosen')
  expect([puts, stored]).toEqual([0, { version: 1, data: 'read' }])
  const there = files.uriOf({ table: 'users', id: 'ann' })
  expect([there.authority, files.versionOf(there)]).toEqual(['shop', undefined])
  await files.readFile(there)
  chosen = undefined
  await expect(files.stat(there)).rejects.toThrow('it is of the server shop')
})

async function meetConflict(): Promise<void> {
  document.type('"mine"')
  stored = { version: 2, data: 'theirs' }
  await expect(document.save()).rejects.toThrow('has changed since')
  expect(stored.data).toBe('theirs')
}

test('"Save Mine" saves what was typed since, once, and nothing is unsaved afterwards', async () => {
  await meetConflict()
  document.type('"mine, and more"')
  const before = puts
  await ui.press('Save Mine')
  expect(stored).toEqual({ version: 3, data: 'mine, and more' })
  expect([document.text, document.isDirty, puts - before]).toEqual(['"mine, and more"', false, 1])
  document.type('"later"')
  await document.save()
  expect(stored?.data).toBe('later')
})

test('"Save Mine" refuses what is not JSON and changes nothing', async () => {
  await meetConflict()
  document.type('{ "half":')
  await expect(ui.press('Save Mine')).rejects.toThrow('not valid JSON')
  expect([stored?.data, document.text, document.isDirty]).toEqual(['theirs', '{ "half":', true])
  document.type('"whole"')
  await expect(document.save()).rejects.toThrow('has changed since')
})

test('"Save Mine" of a document that was closed saves what the store had refused', async () => {
  await meetConflict()
  document.close()
  await ui.press('Save Mine')
  expect(stored?.data).toBe('mine')
})

test('"Save Mine" of a document that was reverted writes nothing', async () => {
  await meetConflict()
  document.isDirty = false
  await expect(ui.press('Save Mine')).rejects.toThrow('unsaved')
  expect(stored?.data).toBe('theirs')
})

test('"Save Mine" makes a document anew that was deleted', async () => {
  await meetConflict()
  stored = undefined
  await ui.press('Save Mine')
  expect(stored).toEqual({ version: 1, data: 'mine' })
})

test('a version that was read and not shown, for somebody typed meanwhile, is not saved over', async () => {
  stored = { version: 2, data: 'theirs' }
  await files.readFile(uri)
  document.type('"mine"')
  await expect(document.save()).rejects.toThrow('has changed since')
  expect(stored).toEqual({ version: 2, data: 'theirs' })
})

test('a version that is shown after a change elsewhere is saved over', async () => {
  stored = { version: 2, data: 'theirs' }
  document.reload(Buffer.from(await files.readFile(uri)).toString())
  document.type('"mine"')
  await document.save()
  expect(stored).toEqual({ version: 3, data: 'mine' })
})

test('another version of the same data is saved over: it is what is shown', async () => {
  stored = { version: 2, data: 'read' }
  await files.readFile(uri)
  document.type('"mine"')
  await document.save()
  expect(stored).toEqual({ version: 3, data: 'mine' })
})

test('a tab shows the id of a document as it is, and leads back to it', () => {
  for (const id of ['first note/ü', '100%', 'a%2Fb', 'c\\d', 'e?f#g']) {
    expect(placeOf(files.uriOf({ table: 'my notes', id }))).toEqual({ table: 'my notes', id })
  }
  expect(files.uriOf({ table: 'notes', id: 'first note ü' }).path).toBe('/notes/first note ü.json')
})
