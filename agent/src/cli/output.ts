/** What the CLI prints: results on stdout, progress and errors on stderr, colours and spinners only on a terminal. */
import type { Writable } from 'node:stream'
import pico from 'picocolors'
import { formatProblem, type RyoFaasError } from '../contract/index.ts'
import { tableLines } from './table.ts'

export interface Streams {
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
  environment: NodeJS.ProcessEnv
}

export interface Progress {
  update(text: string): void
  /** What is worth a line only where it replaces the one before. */
  show(text: string): void
  /** Ends the spinner; what follows is printed below. */
  stop(): void
}

export interface Screen {
  draw(print: () => void): void
  /** Restores the terminal. */
  close(): void
}

export class Output {
  readonly json: boolean
  readonly colors: ReturnType<typeof pico.createColors>
  readonly #streams: Streams

  constructor(streams: Streams, json: boolean) {
    this.#streams = streams
    this.json = json
    this.colors = pico.createColors(wantsColors(streams))
  }

  /** Columns of the terminal, or a default. */
  get width(): number {
    return this.#streams.stdout.columns ?? 110
  }

  /** A line for people; not printed with `--json`. */
  line(text = ''): void {
    if (!this.json) this.#streams.stdout.write(text + '\n')
  }

  /** A line that is not part of the result. */
  note(text: string): void {
    if (!this.json) this.#streams.stderr.write(text + '\n')
  }

  raw(chunk: string | Uint8Array): void {
    this.#streams.stdout.write(chunk)
  }

  /** For a result that is a file. */
  get bytes(): Writable {
    return this.#streams.stdout
  }

  /** The result for programs; printed with `--json` only. */
  value(value: unknown): void {
    if (this.json) this.#streams.stdout.write(JSON.stringify(value, null, 2) + '\n')
  }

  /** One JSON object per line, for results that arrive over time. */
  record(value: unknown): void {
    if (this.json) this.#streams.stdout.write(JSON.stringify(value) + '\n')
  }

  /** @param expendable heads of the columns that a narrow terminal does without, the first one first */
  table(head: string[], rows: string[][], expendable: readonly string[] = []): void {
    const [first, ...lines] = tableLines(head, rows, { width: this.#streams.stdout.columns, expendable })
    this.line(this.colors.bold(first))
    for (const line of lines) this.line(line)
  }

  get isTerminal(): boolean {
    return this.#streams.stdout.isTTY
  }

  /** Whether lines can be redrawn. */
  get canRedraw(): boolean {
    return this.isTerminal && !isDumb(this.#streams.environment)
  }

  /** A view that is redrawn in place, on the terminal's alternate screen. */
  screen(): Screen {
    const { stdout } = this.#streams
    stdout.write('\u001b[?1049h\u001b[?25l')
    return {
      draw: print => {
        stdout.write('\u001b[H\u001b[2J')
        print()
      },
      close: () => void stdout.write('\u001b[?25h\u001b[?1049l'),
    }
  }

  progress(first: string): Progress {
    const { stderr, environment } = this.#streams
    if (this.json) {
      // Programs that show the steps to somebody ask for them.
      const update = (text: string) => void (environment['RYO_FAAS_STEPS'] && stderr.write(`${text}\n`))
      update(first)
      return { update, show: () => undefined, stop: () => undefined }
    }
    // A terminal of no width, as some programs open one: the spinner would draw without end.
    if (!stderr.isTTY || stderr.columns === 0 || isDumb(environment)) {
      let last = first
      this.note(first)
      const update = (text: string) => {
        if (text !== last) this.note(text)
        last = text
      }
      return { update, show: () => undefined, stop: () => undefined }
    }
    return spinner(first, stderr)
  }

  error(error: RyoFaasError): void {
    if (this.json) return this.value({ error: error.toBody() })
    const { red, bold, dim } = this.colors
    const lines = [red(bold('error ')) + error.message + dim(` [${error.code}]`)]
    for (const problem of error.problems ?? []) lines.push('  ' + formatProblem(problem))
    if (error.logs?.length) lines.push(dim('  Last output:'), ...error.logs.map(line => `  | ${line}`))
    if (error.hint) lines.push(`  ${error.hint}`)
    this.#streams.stderr.write(lines.join('\n') + '\n')
  }
}

/** https://no-color.org, https://force-color.org; without a terminal `isTTY` is undefined. */
function wantsColors({ stdout, environment }: Streams): boolean {
  const { NO_COLOR, FORCE_COLOR } = environment
  if (NO_COLOR) return false
  if (FORCE_COLOR) return !['0', 'false'].includes(FORCE_COLOR)
  return stdout.isTTY === true && !isDumb(environment)
}

function isDumb({ TERM }: NodeJS.ProcessEnv): boolean {
  return TERM === 'dumb'
}

/** Its library is loaded when something turns out to take a moment. */
function spinner(first: string, stream: NodeJS.WriteStream): Progress {
  let text = first
  let isOver = false
  const shown = import('ora').then(({ default: ora }) =>
    isOver ? undefined : ora({ text, stream, discardStdin: false }).start(),
  )
  let current: Awaited<typeof shown>
  void shown.then(made => {
    if (isOver) made?.stop()
    else if (made) (current = made).text = text
  })
  const update = (next: string) => {
    text = next
    if (current) current.text = next
  }
  return {
    update,
    show: update,
    stop: () => {
      isOver = true
      current?.stop()
    },
  }
}

/** `1 call`, `2 calls`. */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** `1234` → `1.2 s`, `12` → `12 ms`. */
export function formatDuration(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}
