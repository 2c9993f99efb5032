/**
 * Keeps the current route table: takes pushes one at a time, has them served, writes them down.
 *
 * Invariants: 1. a push with a lower generation is refused, also when two arrive at once. 2. a push is answered only
 * when it is served and on disk. 3. the file on disk is always a whole table: temporary name, sync, rename.
 */
import { open, readFile, rename, rm } from 'node:fs/promises'
import { RouteTable } from './route-table.ts'

/** A push that is older than what is served. */
export class StaleTableError extends Error {
  readonly generation: number

  /** @param generation the one being served. */
  constructor(generation: number) {
    super(`a table of generation ${generation} is already served`)
    this.name = 'StaleTableError'
    this.generation = generation
  }
}

export class TableKeeper {
  private readonly file: string | undefined
  private readonly serve: (table: RouteTable) => Promise<void>
  private table: RouteTable | undefined
  private last: Promise<void> = Promise.resolve()

  constructor(options: { file: string | undefined; serve: (table: RouteTable) => Promise<void> }) {
    this.file = options.file
    this.serve = options.serve
  }

  get current(): RouteTable | undefined {
    return this.table
  }

  /** @throws StaleTableError */
  set(table: RouteTable): Promise<void> {
    const turn = this.last.then(() => this.replace(table))
    // The next push does not care how this one went.
    this.last = turn.catch(() => undefined)
    return turn
  }

  /** Takes the table of an earlier run as the current one. A file that is missing or no table counts as none: the agent will push. */
  async load(): Promise<void> {
    if (this.file === undefined) return
    this.table = await readTable(this.file)
  }

  private async replace(table: RouteTable): Promise<void> {
    if (this.table !== undefined && table.generation < this.table.generation) {
      throw new StaleTableError(this.table.generation)
    }
    this.table = table
    await this.serve(table)
    if (this.file !== undefined) await writeWhole(this.file, `${JSON.stringify(table)}\n`)
  }
}

async function readTable(file: string): Promise<RouteTable | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    return RouteTable.parse(JSON.parse(text))
  } catch {
    await rename(file, `${file}.broken`)
    return undefined
  }
}

/** Replaces `file` so that a crash at any moment leaves the old or the new text. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`
  try {
    const handle = await open(temporary, 'w', 0o600)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
