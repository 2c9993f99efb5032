/** Where apps are tried: one platform for each kind that is asked for, and the folders of the apps. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { isDeepStrictEqual, promisify } from 'node:util'
import { TestPlatform } from '../support/platform.ts'
import type { App, Call } from './app.ts'
import { execute, installPackages, managersPath, programOf, usersPath, writeFiles } from './install.ts'

const ANSWER_MS = 20_000

/** Steps to take in the end, the last one first. */
type Undo = (() => Promise<unknown>)[]

interface Stage {
  platform: TestPlatform
  proxyUrl: string
}

export class AppBed {
  readonly #stages = new Map<string, Promise<Stage>>()
  readonly #folder: string
  readonly #isWhole: boolean

  private constructor(folder: string, isWhole: boolean) {
    this.#folder = folder
    this.#isWhole = isWhole
  }

  /** @param isWhole for all apps, not only the samples: with all package managers, and a certificate of its own */
  static async make(isWhole: boolean): Promise<AppBed> {
    return new AppBed(await mkdtemp(join(tmpdir(), 'rfa-apps-')), isWhole)
  }

  /** Resolves to what is not as the app says: nothing if all is well. */
  async failureOf(app: App): Promise<string | undefined> {
    const folder = await mkdtemp(join(this.#folder, 'app-'))
    const undo: Undo = [() => rm(folder, { recursive: true, force: true })]
    try {
      const files = filesOf(app)
      await installPackages(app, folder, files)
      await writeFiles(folder, files)
      for (const [program, ...args] of app.build ?? []) await execute(program!, args, folder)
      const stage = await this.#stage(app)
      const variables = app.beside === undefined ? {} : await this.#startBeside(join(folder, app.beside), undo)
      await writeFiles(folder, deployFile(app, variables))
      const names = entriesOf(app).map(({ name }) => name)
      undo.push(() => stage.platform.cli(['stop', ...names]))
      const failure = await this.#judge(app, stage, folder)
      if (failure !== undefined || app.peer === undefined) return failure
      const { url } = await this.#startBeside(join(folder, app.peer), undo)
      return await differenceTo(url!, app, stage)
    } finally {
      for (const step of undo.reverse()) await step()
    }
  }

  async remove(): Promise<void> {
    for (const stage of this.#stages.values()) await (await stage).platform.remove()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #judge(app: App, { platform, proxyUrl }: Stage, folder: string): Promise<string | undefined> {
    const { code, stdout, stderr } = await platform.cli(['deploy', join(folder, app.root ?? '.'), '--replace'])
    const said = `${stdout}${stderr}`
    if (app.refused) return code !== 0 && app.refused.test(said) ? undefined : `should be refused:\n${said}`
    if (code !== 0) return said
    if (app.notes && !app.notes.test(said)) return `should say ${app.notes}:\n${said}`
    for (const call of app.calls ?? [{ answer: 'ok' }]) {
      const failure = await answerFailure(proxyUrl, call)
      if (failure === undefined) continue
      const { stdout: logs } = await platform.cli(['logs', entriesOf(app)[0]!.name, '--tail', '15'])
      return `${failure}\n${said}\n${logs}`
    }
    return undefined
  }

  async #stage({ engine = 'process', onMachinesNode = false }: App): Promise<Stage> {
    const key = `${engine} ${onMachinesNode}`
    let stage = this.#stages.get(key)
    if (!stage) {
      stage = this.#startPlatform(engine, onMachinesNode ? ['--node', programOf('node')] : [])
      this.#stages.set(key, stage)
    }
    return stage
  }

  async #startPlatform(engine: 'docker' | 'process', flags: string[]): Promise<Stage> {
    const platform = await TestPlatform.make(this.#isWhole ? await this.#company() : {})
    const { proxyUrl } = await platform.start(engine, flags)
    return { platform, proxyUrl }
  }

  /** Variables of a machine that has all package managers, and trusts a certificate that nobody else does. */
  async #company(): Promise<NodeJS.ProcessEnv> {
    const names = 'subjectAltName=DNS:localhost,DNS:host.docker.internal,IP:127.0.0.1'
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', this.#key]
    const certificate = ['-out', this.#certificate, '-days', '2', '-subj', '/CN=localhost', '-addext', names]
    await promisify(execFile)('openssl', ['req', '-x509', ...key, ...certificate])
    return {
      NODE_EXTRA_CA_CERTS: this.#certificate,
      PATH: `${usersPath()}${delimiter}${await managersPath()}`,
    }
  }

  get #certificate(): string {
    return join(this.#folder, 'authority.pem')
  }

  get #key(): string {
    return join(this.#folder, 'authority.key')
  }

  async #startBeside(module: string, undo: Undo): Promise<Record<string, string>> {
    // Functions run as in production, too: Express says less of an error then.
    const env = { ...process.env, NODE_ENV: 'production', CERTIFICATE: this.#certificate, KEY: this.#key }
    const child = spawn(process.execPath, [module], { cwd: dirname(module), env, stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(child, 'exit')
    undo.push(async () => {
      child.kill('SIGKILL')
      await ended
    })
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith('{')) return JSON.parse(line) as Record<string, string>
    }
    throw new Error(`${basename(module)} ended before it was ready`)
  }
}

function filesOf({ dependencies, manifest, files }: App): Record<string, string> {
  const own = { name: 'app', private: true, type: 'module', ...manifest, ...(dependencies && { dependencies }) }
  return { 'package.json': `${JSON.stringify(own, null, 2)}\n`, ...files }
}

function entriesOf(app: App) {
  return (app.deploy ?? [{ name: 'hello' }]).map(entry => ({
    packageDir: '.',
    filePath: './hello.ts',
    ...entry,
  }))
}

function deployFile(app: App, variables: Record<string, string>): Record<string, string> {
  const deploy = entriesOf(app).map(entry => {
    const env = { ...(entry as { env?: Record<string, string> }).env, ...variables }
    return { ...entry, ...(Object.keys(env).length > 0 && { env }) }
  })
  const path = join(app.root ?? '.', 'deploy.json')
  return path in app.files ? {} : { [path]: JSON.stringify({ deploy }, null, 2) }
}

/** What is not the same as in the runtime that the app was written for. */
async function differenceTo(peerUrl: string, app: App, { proxyUrl }: Stage): Promise<string | undefined> {
  for (const call of app.calls ?? []) {
    const { path = '/functions/hello' } = call
    const own = path.replace(/^\/functions\/[^/?]+/, '')
    const [here, there] = [await answerOf(`${proxyUrl}${path}`, call), await answerOf(`${peerUrl}${own}`, call)]
    const said = (where: string, answer: Answer) => `${call.method ?? 'GET'} ${own} ${where}: ${JSON.stringify(answer)}`
    if (isDeepStrictEqual(here, there)) continue
    return `${said('answers here', here)}\n${said('in its own runtime', there)}`
  }
  return undefined
}

interface Answer {
  status: number
  /** Sorted; a name may come several times. */
  headers: string[]
  body: string
}

/** Headers that say how an answer came, not what it is. */
const OF_THE_WAY =
  /^(?:connection|keep-alive|date|server|transfer-encoding|content-length|x-request-id|x-powered-by|traceparent|server-timing)$/

async function answerOf(url: string, { method = 'GET', headers = {}, body }: Call): Promise<Answer> {
  // Whether an answer is compressed is up to who stands in front.
  const plain = { 'accept-encoding': 'identity', ...headers }
  const init = { method, headers: plain, redirect: 'manual' as const, signal: AbortSignal.timeout(ANSWER_MS) }
  const response = await fetch(url, { ...init, ...(body !== undefined && { body }) })
  const kept = [...response.headers]
    .filter(([name]) => !OF_THE_WAY.test(name))
    // A space after a semicolon means nothing.
    .map(([name, value]) => `${name}: ${value.replaceAll('; ', ';')}`)
  return { status: response.status, headers: kept.sort(), body: await response.text() }
}

async function answerFailure(proxyUrl: string, call: Call): Promise<string | undefined> {
  const { path = '/functions/hello', method = 'GET', headers = {}, body, status = 200, answer } = call
  const signal = AbortSignal.timeout(ANSWER_MS)
  try {
    const init = { method, headers, signal, redirect: 'manual' as const, ...(body !== undefined && { body }) }
    const response = await fetch(`${proxyUrl}${path}`, init)
    const text = await response.text()
    const isRight = typeof answer === 'string' ? text === answer : answer.test(text)
    if (isRight && response.status === status) return undefined
    return `${method} ${path} answered ${response.status}: ${text}\nexpected ${status}: ${String(answer)}`
  } catch (error) {
    return `${method} ${path} did not answer: ${String(error)}`
  }
}
