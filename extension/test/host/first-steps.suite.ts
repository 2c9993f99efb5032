import { strict as assert } from 'node:assert'
import { access, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as vscode from 'vscode'
import { diagnostics, extension, lenses, open, replaceAll, until, workspacePath } from './support.ts'

const HELLO = 'hello/helloWorld.ts'
const BROKEN = `export function HelloWorld(request: string): void {
  console.log(request)
}
`
const REPAIRED = `export function HelloWorld(request: Request): Response {
  return new Response('repaired')
}
`

/** Code lenses, checks and deploy.json need no platform; what comes after starts one. */
export function defineFirstSteps(): void {
  describe('handlers', () => {
    let original: string
    before(async () => {
      await extension()
      original = await readFile(workspacePath(HELLO), 'utf8')
    })

    it('puts a lens above a handler, and above nothing else', async () => {
      const document = await open(HELLO)
      assert.deepEqual(await until(async () => nonEmpty(await lenses(document))), ['2: ▶ Deploy function'])
      const text = `${original}
export function helper(a: string): string { return a }
function hidden(request: Request): Response { return new Response(String(request)) }
export const other = (request: Request): Response => hidden(request)
export const nearly = (request: Request): string => request.url
`
      await replaceAll(document, text)
      const line = text.split('\n').findIndex(found => found.includes('other'))
      const expected = ['2: ▶ Deploy function', `${line}: ▶ Deploy function`]
      await until(async () => (await lenses(document)).join() === expected.join())
    })

    it('keeps the lens while a line is half written', async () => {
      const document = await open(HELLO)
      await replaceAll(document, original)
      await until(async () => (await lenses(document)).length === 1)
      await replaceAll(document, original.replace("response.end('Hello", "response.end(('Hello"))
      assert.equal((await lenses(document)).length, 1)
    })

    it('keeps the lenses of handlers that are in no deploy.json, also after the check of a half-written line', async () => {
      const { handlers } = await extension()
      const document = await open(HELLO)
      const lines = ['a', 'b', 'c'].map(
        name => `export const ${name} = (request: Request) => new Response(request.url)`,
      )
      await replaceAll(document, lines.join('\n'))
      await until(async () => (await lenses(document)).length === 3)
      await replaceAll(document, ['const half = 1 +', '', ...lines].join('\n'))
      await until(() => handlers.verdicts(document).isCurrent)
      assert.deepEqual(
        (await lenses(document)).map(title => title.split(':')[0]),
        ['2', '3', '4'],
      )
      const deployFile = await open('hello/deploy.json')
      const count = (await until(async () => nonEmpty(await lenses(deployFile)))).length
      await replaceAll(deployFile, deployFile.getText().replace('}]', '}, {]'))
      assert.equal((await lenses(deployFile)).length, count)
      await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor')
    })

    it('says what is wrong with a signature, with a code and a link, and offers to repair it', async () => {
      const document = await open(HELLO)
      await replaceAll(document, BROKEN)
      const [found] = await until(() => nonEmpty(diagnostics(document)))
      const code = found!.code as { value: string; target: vscode.Uri }
      assert.equal(code.value, 'wrong-parameters')
      assert.match(await readFile(code.target.fsPath, 'utf8'), /## wrong-parameters/)
      const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>(
        'vscode.executeCodeActionProvider',
        document.uri,
        found!.range,
      )
      const fix = actions.find(({ title }) => title === 'Take (request: Request) and return a Response')
      assert.ok(fix?.edit)
      assert.ok(await vscode.workspace.applyEdit(fix.edit))
      assert.match(document.getText(), /HelloWorld\(request: Request\): Response/)
      await replaceAll(document, REPAIRED)
      await until(() => diagnostics(document).length === 0)
    })

    it('takes a problem away when its cause is mended in another file', async () => {
      const answer = workspacePath('hello/answer.ts')
      await writeFile(answer, 'export type Answer = string\n')
      const document = await open(HELLO)
      const text = REPAIRED.replace('): Response', '): Answer').replace('new Response', 'String')
      await replaceAll(document, `import type { Answer } from './answer.ts'\n${text}`)
      await until(() => diagnostics(document).length > 0)
      const other = await open('hello/answer.ts')
      await replaceAll(other, 'export type Answer = Response\n')
      assert.ok(await other.save())
      await until(() => diagnostics(document).length === 0)
      await vscode.commands.executeCommand('workbench.action.closeActiveEditor')
      // By others as well.
      await writeFile(answer, 'export type Answer = string\n')
      await until(() => diagnostics(document).length > 0)
      await rm(answer)
    })

    it('finds a deploy.json that comes with its folders, and forgets it with them', async () => {
      const { projects } = await extension()
      const file = workspacePath('came/with/its/folders/deploy.json')
      const isFound = () => projects.all.some(found => found.file === file)
      // As a checkout does it: the editor may report the topmost folder only.
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, '{ "deploy": [] }')
      await until(isFound)
      await rm(workspacePath('came'), { recursive: true })
      await until(() => !isFound())
    })

    it("leaves another tool's deploy.json as it is", async () => {
      const file = workspacePath('other/deploy.json')
      const text = '{ "app": "shop" }\n'
      await mkdir(workspacePath('other'))
      await writeFile(file, text)
      await writeFile(workspacePath('other/a.ts'), REPAIRED)
      const { projects } = await extension()
      await until(() => projects.all.some(found => found.file === file))
      const document = await open('other/a.ts')
      await vscode.commands.executeCommand('ryo-faas.addToDeployFile', {
        name: 'HelloWorld',
        file: document.uri.fsPath,
      })
      assert.equal(await readFile(file, 'utf8'), text)
      assert.equal((await open('other/deploy.json')).isDirty, false)
      await vscode.commands.executeCommand('workbench.action.closeActiveEditor')
      await vscode.commands.executeCommand('workbench.action.closeActiveEditor')
      await rm(workspacePath('other'), { recursive: true })
    })

    it('offers to write a handler into deploy.json', async () => {
      const document = await open(HELLO)
      await replaceAll(
        document,
        `${REPAIRED}export const fresh = (request: Request): Response => Response.json(request.url)\n`,
      )
      await until(async () => (await lenses(document)).length === 2)
      const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>(
        'vscode.executeCodeActionProvider',
        document.uri,
        new vscode.Range(3, 14, 3, 14),
      )
      assert.ok(actions.some(({ title }) => title === 'Add "fresh" to deploy.json'))
      await vscode.commands.executeCommand('ryo-faas.addToDeployFile', { name: 'fresh', file: document.uri.fsPath })
      assert.match(await readFile(workspacePath('hello/deploy.json'), 'utf8'), /"name": "fresh"/)
      await replaceAll(document, REPAIRED)
    })

    it('shows in deploy.json what the checker says, links its files and offers what fits', async () => {
      const document = await open('hello/deploy.json')
      // "fresh" is gone from the module again.
      // What was said of the file when it was shown last goes first.
      await until(
        () => diagnostics(document).length === 1 && /no export "fresh"/.test(diagnostics(document)[0]!.message),
        () => diagnostics(document).map(({ message }) => message),
      )
      const links = await vscode.commands.executeCommand<vscode.DocumentLink[]>(
        'vscode.executeLinkProvider',
        document.uri,
      )
      assert.ok(links.some(({ target }) => target?.fsPath === workspacePath(HELLO)))
      await vscode.commands.executeCommand('workbench.action.closeAllEditors')
    })

    it('forgets what was typed into deploy.json and discarded', async () => {
      const before = await readFile(workspacePath('hello/deploy.json'), 'utf8')
      for (const discard of ['files.revert', 'revertAndCloseActiveEditor']) {
        const document = await open('hello/deploy.json')
        const count = (await until(async () => nonEmpty(await lenses(document)))).length
        const more = '{ "name": "more", "packageDir": ".", "filePath": "./helloWorld.ts" }'
        await replaceAll(document, before.replace('{ "name": "fresh"', `${more}, $&`))
        await until(async () => (await lenses(document)).length > count)
        await vscode.commands.executeCommand(`workbench.action.${discard}`)
        const again = await open('hello/deploy.json')
        assert.equal(again.getText(), before)
        await until(async () => (await lenses(again)).length === count)
      }
      await vscode.commands.executeCommand('workbench.action.closeAllEditors')
    })

    it('takes the lenses away when the setting says so', async () => {
      const document = await open(HELLO)
      await until(async () => (await lenses(document)).length > 0)
      const configuration = vscode.workspace.getConfiguration('ryo-faas')
      await configuration.update('codeLens.enabled', false, vscode.ConfigurationTarget.Global)
      await until(async () => (await lenses(document)).length === 0)
      await configuration.update('codeLens.enabled', undefined, vscode.ConfigurationTarget.Global)
      await until(async () => (await lenses(document)).length > 0)
    })

    after(async () => {
      await vscode.commands.executeCommand('workbench.action.files.revert')
      await writeFile(workspacePath(HELLO), original)
      await vscode.commands.executeCommand('workbench.action.closeAllEditors')
    })
  })

  describe('the platform', () => {
    before(async () => {
      const { link } = await extension()
      await vscode.commands.executeCommand('ryo-faas.startFaas')
      assert.ok(link.isReady)
    })

    it('runs from its home, which an update of the extension does not delete', async () => {
      const { link } = await extension()
      const { build, home } = link.snapshot!.platform
      assert.ok(build)
      await access(join(home, 'agents', build, 'agent', 'bundle', 'main', 'agent.js'))
    })

    it('deploys without questions what is in deploy.json', async () => {
      const { link } = await extension()
      const document = await open('acl/acl.ts')
      await until(async () => (await lenses(document)).length > 0)
      await vscode.commands.executeCommand('ryo-faas.deploy', { name: 'Notes', file: document.uri.fsPath })
      assert.equal(link.deployment('Notes')?.state, 'running')
      const [status, ...others] = await lenses(document)
      assert.match(status!, /✓ v1 · 0 calls/)
      assert.deepEqual(
        others.map(title => title.replace(/^\d+: /, '')),
        ['Redeploy', 'Invoke', 'Logs', 'Traces'],
      )
    })

    it('opens documents of the store, and saves them over the version that was read', async () => {
      const { link } = await extension()
      const part = link.snapshot!.platform.parts.find(({ name }) => name === 'store')!
      const authorization = `Bearer ${(await link.client()).token}`
      const url = `http://${part.address}/tables/users/docs/ann`
      const put = async (data: unknown) =>
        await fetch(url, {
          method: 'PUT',
          headers: { 'content-type': 'application/json', authorization },
          body: JSON.stringify({ data }),
        })
      await put({ roles: ['reader'] })
      const uri = vscode.Uri.parse('ryo-store:/users/ann.json')
      const document = await vscode.workspace.openTextDocument(uri)
      await vscode.window.showTextDocument(document)
      assert.deepEqual(JSON.parse(document.getText()), { roles: ['reader'] })

      await replaceAll(document, '{ "roles": ["writer"] }\n')
      assert.ok(await document.save())
      const stored = (await (await fetch(url, { headers: { authorization } })).json()) as {
        version: number
        data: unknown
      }
      assert.deepEqual(stored.data, { roles: ['writer'] })
      assert.equal(stored.version, 2)

      await replaceAll(document, '{ "roles": ["mine"] }\n')
      await put({ roles: ['theirs'] })
      await assert.rejects(async () => {
        // The editor may return or throw.
        if (!(await document.save())) throw new Error('not saved')
      })
      const kept = (await (await fetch(url, { headers: { authorization } })).json()) as { data: unknown }
      assert.deepEqual(kept.data, { roles: ['theirs'] })
      const theirs = await vscode.workspace.openTextDocument(uri.with({ query: 'stored' }))
      assert.deepEqual(JSON.parse(theirs.getText()), { roles: ['theirs'] })
      await vscode.commands.executeCommand('workbench.action.files.revert')
      await until(() => document.getText().includes('theirs'))
      await put({ roles: ['later'] })
      await until(() => document.getText().includes('later'))
    })

    it('follows the log of a function into an output channel, with links to the source', async () => {
      const document = await open(HELLO)
      const text = `export function HelloWorld(request: Request): Response {
  console.log('seen', request.method)
  throw new Error('on purpose')
}
`
      await replaceAll(document, text)
      await vscode.commands.executeCommand('ryo-faas.deploy', { name: 'HelloWorld', file: document.uri.fsPath })
      await vscode.commands.executeCommand('ryo-faas.logs', 'HelloWorld')
      await vscode.commands.executeCommand('ryo-faas.invoke', 'HelloWorld')
      const isLog = ({ uri, fileName }: vscode.TextDocument) => uri.scheme === 'output' && /HelloWorld/.test(fileName)
      const log = await until(() => vscode.workspace.textDocuments.find(isLog))
      const wanted = ['seen GET', 'on purpose', `${document.uri.fsPath}:3:9`]
      await until(
        () => wanted.every(text => log.getText().includes(text)),
        () => log.getText(),
      )
      const answer = await until(() => vscode.workspace.textDocuments.find(({ uri }) => uri.scheme === 'ryo-answer'))
      await until(
        () => /^HTTP 500/.test(answer.getText()),
        () => answer.getText(),
      )
    })

    it('follows an asynchronous call to its result', async () => {
      const document = await open('async/main.ts')
      await vscode.commands.executeCommand('ryo-faas.deploy', { name: 'MethodAsync', file: document.uri.fsPath })
      await vscode.commands.executeCommand('ryo-faas.invoke', 'MethodAsync')
      const answer = await until(() =>
        vscode.workspace.textDocuments.find(
          ({ uri }) => uri.scheme === 'ryo-answer' && uri.path === '/MethodAsync.ryo-http',
        ),
      )
      await until(
        () => /^HTTP 202[^]*# succeeded[^]*"steps": 4/.test(answer.getText()),
        () => answer.getText(),
      )
    })

    after(async () => {
      await vscode.commands.executeCommand('ryo-faas.stopFaas')
      await vscode.commands.executeCommand('workbench.action.closeAllEditors')
    })
  })
}

function nonEmpty<T>(list: T[]): T[] | undefined {
  return list.length > 0 ? list : undefined
}
