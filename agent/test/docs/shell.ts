/**
 * A shell for the commands of a page: they share a folder, variables and the current folder, like lines that somebody
 * types. Ports, project and home of the test's platform are put in the place of the documented ones, and back.
 */
import { spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { PlatformView } from '../../src/contract/index.ts'
import { BIN, type TestPlatform } from '../support/platform.ts'
import { isExpected, type Command, type OutputLine } from '../../../docs/blocks/page.ts'

const DOCUMENTED = { proxy: 9999, agent: 9998, store: 5001 }
const STOP_MS = 30_000

export interface Ran {
  code: number | null
  output: OutputLine[]
}

export class PageShell {
  readonly folder: string
  readonly #state: string
  readonly #platform: TestPlatform
  readonly #environment: NodeJS.ProcessEnv

  private constructor(folder: string, platform: TestPlatform, environment: NodeJS.ProcessEnv) {
    this.folder = folder
    this.#state = `${folder}.state`
    this.#platform = platform
    this.#environment = environment
  }

  /** @param home of the user */
  static async open(name: string, home: string, platform: TestPlatform): Promise<PageShell> {
    const folder = join(home, name.replaceAll('/', '-'))
    await mkdir(folder)
    // A reader's machine is not CI, where a missing snapshot is a failure.
    const { CI: _, ...environment } = platform.environment
    const shell = new PageShell(folder, platform, {
      ...environment,
      RYO_FAAS_PROJECT: platform.project,
      PATH: `${programsIn(home)}:${process.env['PATH']}`,
    })
    await writeFile(shell.#state, `cd '${folder}'\n`)
    return shell
  }

  async write(file: string, text: string): Promise<void> {
    const path = join(this.folder, file)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }

  async run({ command, expected, isStopped }: Command): Promise<Ran> {
    const before = await this.#view()
    const script = `set -a; . '${this.#state}'; ${this.#actual(command, before)}
      code=$?; { export -p; printf "cd '%s'\\n" "$PWD"; } > '${this.#state}'; exit $code`
    const child = spawn('bash', ['-c', script], {
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const stop = () => child.exitCode === null && process.kill(-child.pid!, 'SIGINT')
    const end = setTimeout(stop, isStopped ? STOP_MS : 6 * STOP_MS)
    const output: OutputLine[] = []
    const collect = (stream: Readable, isNote: boolean) =>
      createInterface({ input: stream }).on('line', text => {
        output.push({ text: this.#documented(text, before), isNote })
        if (isStopped && isExpected(output, expected, true)) stop()
      })
    collect(child.stdout, false)
    collect(child.stderr, true)
    const code = await new Promise<number | null>(resolve => child.once('close', resolve))
    clearTimeout(end)
    const after = (await this.#view()) ?? before
    return { code, output: output.map(({ text, isNote }) => ({ text: this.#documented(text, after), isNote })) }
  }

  /** What runs now: a command before may have started or stopped it. */
  async #view(): Promise<PlatformView | undefined> {
    return this.#platform.view().catch(() => undefined)
  }

  #actual(command: string, view: PlatformView | undefined): string {
    if (view === undefined) return command
    return Object.entries(portsOf(view)).reduce(
      (text, [part, port]) => text.replaceAll(`:${DOCUMENTED[part as keyof typeof DOCUMENTED]}`, `:${port}`),
      command,
    )
  }

  #documented(output: string, view: PlatformView | undefined): string {
    const plain = output.replaceAll(this.#platform.project, 'rfa')
    if (view === undefined) return plain
    return Object.entries(portsOf(view)).reduce(
      (text, [part, port]) => text.replaceAll(`:${port}`, `:${DOCUMENTED[part as keyof typeof DOCUMENTED]}`),
      plain,
    )
  }
}

function portsOf({ parts }: PlatformView): Record<string, string> {
  const ports = Object.keys(DOCUMENTED).map(part => {
    const address = parts.find(({ name }) => name === part)?.address
    return [part, address?.split(':').pop()] as const
  })
  return Object.fromEntries(ports.filter((entry): entry is [keyof typeof DOCUMENTED, string] => entry[1] !== undefined))
}

/** Once, before the pages, which run at the same time: a program that is being written cannot be run. */
export async function installProgram(home: string): Promise<void> {
  await mkdir(programsIn(home), { recursive: true })
  const path = join(programsIn(home), 'ryo-faas')
  await writeFile(path, `#!/bin/sh\nexec "${process.execPath}" "${BIN}" "$@"\n`, { mode: 0o755 })
}

export function programsIn(home: string): string {
  return join(home, 'bin')
}
