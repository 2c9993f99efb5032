/** What every language must do; run on each of them, with real files and real processes. */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HEALTH_PATH, PLAIN_PROTOCOL } from '@ryo-faas/runtime/protocol'
import type { Instance } from '../../engines/index.ts'
import { ProcessEngine } from '../../engines/process/process-engine.ts'
import type { Bundle, CheckOutcome, FunctionSource, Language } from '../language.ts'
import { Languages } from '../languages.ts'
import { until } from '../../../test/support/until.ts'

type Files = Readonly<Record<string, string>>

export interface LanguageUnderTest {
  /** @param cacheDir where it may cache anything between builds */
  make(cacheDir: string): Language
  /** The function `hello` that answers `hello`: the path of its code, and the code. */
  entry: string
  /** What the code calls the function, if not `hello`. */
  export?: string
  /** The program, if deploy.json names it. */
  command?: readonly string[]
  files: Files
  /** A change that makes it answer `other`. */
  change: Files
  /** A version that is not a function, with the line of the problem. */
  broken: { files: Files; line: number }
}

const never = new AbortController().signal

export function languageContract(name: string, under: LanguageUnderTest): void {
  describe(`the language ${name}`, () => {
    let folder: string
    let language: Language
    let counter = 0

    beforeAll(async () => {
      folder = await realpath(await mkdtemp(join(tmpdir(), 'rfa-language-')))
      language = under.make(join(folder, 'cache'))
      await language.warmUp?.()
    })
    afterAll(async () => {
      await language.close?.()
      await rm(folder, { recursive: true, force: true })
    })

    /** The function in its own folder. */
    const sourceOf = async (changes: Files = {}): Promise<FunctionSource> => {
      const packageDir = join(folder, `package${++counter}`)
      await writeFiles(packageDir, { ...under.files, ...changes })
      const filePath = join(packageDir, under.entry)
      const places = { rootDir: packageDir, packageDir, filePath, files: [] }
      return { name: 'hello', kind: 'http', export: under.export, command: under.command, ...places }
    }
    const bundleOf = async (source: FunctionSource): Promise<Bundle> => {
      const [outcome] = await language.check([source])
      return accepted(outcome).bundle(never)
    }

    test('is recognised by file extensions, each of which starts with a dot, or by fields of deploy.json', () => {
      const languages = new Languages([language])
      expect(language.endings.length + (language.claims?.length ?? 0)).toBeGreaterThan(0)
      for (const field of language.claims ?? []) {
        expect(languages.of({ filePath: 'hello.unheard-of', [field]: 'given' })).toBe(language)
      }
      for (const ending of language.endings) {
        expect(ending).toMatch(/^\.\w+$/)
        expect(languages.of({ filePath: `hello${ending}` })).toBe(language)
      }
      expect(languages.problemOf({ filePath: 'hello.unheard-of' })).toMatchObject({ field: 'filePath' })
    })

    test('accepts a function, and locates the problem in another, in the order of the requests', async () => {
      const [good, bad] = [await sourceOf(), await sourceOf(under.broken.files)]
      const outcomes = await language.check([bad, good, bad])
      expect(outcomes.map(({ kind }) => kind)).toEqual(['rejected', 'accepted', 'rejected'])
      const [outcome] = outcomes
      const problems = outcome?.kind === 'rejected' ? outcome.problems : []
      expect(problems[0]).toMatchObject({ file: bad.filePath, line: under.broken.line })
      for (const { code, message, column } of problems) {
        expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/)
        expect(message).not.toBe('')
        expect(column).toBeGreaterThan(0)
      }
      expect(await language.check([])).toEqual([])
    })

    test('gives the same code the same hash in every folder, and different code a different one', async () => {
      const [source, twin, changed] = [await sourceOf(), await sourceOf(), await sourceOf(under.change)]
      const { hash } = await bundleOf(source)
      expect(hash).toMatch(/^[0-9a-f]{16}$/)
      expect((await bundleOf(source)).hash).toBe(hash)
      expect((await bundleOf(twin)).hash).toBe(hash)
      expect((await bundleOf(changed)).hash).not.toBe(hash)
      await writeFiles(source.packageDir, under.change)
      expect((await bundleOf(source)).hash).not.toBe(hash)
    })

    test('writes a version into its folder and nowhere else, replacing what an interrupted attempt left', async () => {
      const source = await sourceOf()
      const before = await treeOf(source.packageDir)
      const versions = join(folder, 'versions')
      await mkdir(join(versions, '1', 'left-over'), { recursive: true })
      const bundle = await bundleOf(source)
      expect(await readdir(versions)).toEqual(['1'])
      const { dir, entry } = await bundle.write(join(versions, '1'))
      expect(dirname(dir)).toBe(join(versions, '1'))
      expect(existsSync(join(dir, entry))).toBe(true)
      expect(await readdir(versions)).toEqual(['1'])
      expect(existsSync(join(versions, '1', 'left-over'))).toBe(false)
      expect(await treeOf(source.packageDir)).toEqual(before)
    })

    test('a cancelled build says so and leaves nothing', async () => {
      const source = await sourceOf()
      const before = await treeOf(folder)
      const [outcome] = await language.check([source])
      await expect(accepted(outcome).bundle(AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' })
      const late = new AbortController()
      const building = accepted(outcome).bundle(late.signal)
      late.abort()
      await building.catch(error => expect(error).toMatchObject({ code: 'CANCELLED' }))
      expect(await treeOf(folder)).toEqual(before)
    })

    test('its command runs what was written: it answers calls and readiness checks', async () => {
      const home = join(folder, 'home')
      const engine = new ProcessEngine({
        ...{ project: 'rfat', home, nodePath: process.execPath, note: '' },
        baseEnv: { PATH: process.env['PATH'] ?? '' },
      })
      try {
        for (const [files, answer] of [
          [{}, 'hello'],
          [under.change, 'other'],
        ] as const) {
          const [outcome] = await language.check([await sourceOf(files)])
          const { bundle: make, base = language.base } = accepted(outcome)
          const bundle = await make(never)
          const { dir, entry } = await bundle.write(join(home, 'deployments', 'hello', answer))
          const limits = { memoryMb: 128, cpus: 1, pids: 64 }
          const command = language.command(
            { folder: engine.codeFolderOf({ dir }), entry, base, command: under.command },
            engine.commandNeeds({ limits }),
          )
          const image = await engine.images.build({ route: 'hello', hash: bundle.hash, dir })
          const id = randomBytes(4).toString('hex')
          const isPlain = language.protocol === PLAIN_PROTOCOL
          const told = { id, route: 'hello', version: 1, env: {}, secrets: {} }
          const instance = await engine.start({ ...told, image, command, base, isPlain, limits }, never)
          if (isPlain) await until(async () => (await ask(instance, '/').catch(() => undefined)) && true)
          else expect(await ask(instance, HEALTH_PATH)).toMatchObject({ status: 200 })
          expect(await ask(instance, '/')).toEqual({ status: 200, body: answer })
        }
      } finally {
        await engine.cleanUp()
        await engine.close()
      }
    })
  })
}

function accepted(outcome: CheckOutcome | undefined): Extract<CheckOutcome, { kind: 'accepted' }> {
  if (outcome?.kind === 'accepted') return outcome
  throw new Error(`it was not accepted: ${JSON.stringify(outcome)}`)
}

async function writeFiles(folder: string, files: Files): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
}

/** Every file by its path and content. */
async function treeOf(folder: string): Promise<ReadonlyMap<string, string>> {
  const tree = new Map<string, string>()
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile()) tree.set(path, await readFile(path, 'latin1'))
  }
  return tree
}

/** Not with `fetch`, which refuses some ports. */
async function ask({ state }: Instance, path: string): Promise<{ status: number; body: string }> {
  if (state.kind !== 'running') throw new Error(`it is ${state.kind}`)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ ...state.address, path, agent: false }, resolve)
      .once('error', reject)
      .end()
  })
  return { status: response.statusCode!, body: await text(response) }
}
