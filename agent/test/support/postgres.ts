/**
 * A PostgreSQL server of a test: in a temporary folder, on a free port of loopback, under a user that is not root (it
 * refuses root). It can be killed and started again on its data.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { appendFile, chown, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { freePort } from '../../src/host/index.ts'
import { until } from './until.ts'

const run = promisify(execFile)
/** After it was killed it reads its log again. */
const START_MS = 60_000
const VERSIONS = '/usr/lib/postgresql'
export const PASSWORD = 'pass word/1'

export interface PostgresOptions {
  /** As in production; otherwise nothing is synced, which survives kill -9 of it, but no power failure. */
  isDurable?: boolean
  /** Lines of postgresql.conf. */
  settings?: readonly string[]
  /** Folder of its data; default: a temporary one. */
  folder?: string
  /** Address of this machine at which its network may use it, too. */
  address?: string
}

/** Folder of its programs. */
export async function postgresPrograms(): Promise<string> {
  const versions = (await readdir(VERSIONS)).map(Number).sort((one, other) => other - one)
  return join(VERSIONS, String(versions[0]), 'bin')
}

export class TestPostgres {
  readonly port: number
  readonly #folder: string
  readonly #programs: string
  #server: ChildProcess | undefined
  #gone: Promise<unknown> = Promise.resolve()

  private constructor(port: number, folder: string, programs: string) {
    this.port = port
    this.#folder = folder
    this.#programs = programs
  }

  static async start(options: PostgresOptions = {}): Promise<TestPostgres> {
    const { isDurable = false, settings = [], folder: given, address } = options
    const folder = given ?? (await mkdtemp(join(tmpdir(), 'postgres-')))
    const postgres = new TestPostgres(await freePort(), folder, await postgresPrograms())
    const passwordFile = join(folder, 'password')
    await writeFile(passwordFile, PASSWORD)
    const owner = await postgres.#owner()
    if (owner !== undefined) {
      await chown(folder, owner.uid, owner.gid)
      await chown(passwordFile, owner.uid, owner.gid)
    }
    const how = ['--username=admin', `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8']
    await postgres.#run('initdb', ['--pgdata', postgres.#data, '--no-sync', '--locale=C.UTF-8', ...how])
    await writeFile(
      join(postgres.#data, 'postgresql.auto.conf'),
      [
        `listen_addresses = '${['127.0.0.1', ...(address === undefined ? [] : [address])].join()}'`,
        `port = ${postgres.port}`,
        "unix_socket_directories = ''",
        `fsync = ${isDurable ? 'on' : 'off'}`,
        'max_connections = 120',
        'shared_buffers = 64MB',
        ...settings,
        '',
      ].join('\n'),
    )
    if (address !== undefined) {
      await appendFile(join(postgres.#data, 'pg_hba.conf'), 'host all all samenet scram-sha-256\n')
    }
    await postgres.start()
    return postgres
  }

  /** Of a database; with the password of the administrator. */
  url(database = 'postgres', user = `admin:${encodeURIComponent(PASSWORD)}`, host = '127.0.0.1'): string {
    return `postgres://${user}@${host}:${this.port}/${database}`
  }

  async start(): Promise<void> {
    const deadline = performance.now() + START_MS
    for (;;) {
      try {
        return await this.#startOnce()
      } catch (error) {
        // What was killed is still ending, on a machine that does much else.
        const isInUse = (error as Error).message.includes('shared memory block')
        if (!isInUse || performance.now() > deadline) throw error
      }
    }
  }

  async #startOnce(): Promise<void> {
    const [command, args] = this.#as('postgres', ['-D', this.#data])
    const server = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: this.#folder })
    let log = ''
    server.stderr.on('data', (piece: Buffer) => (log = (log + piece.toString()).slice(-4_000)))
    this.#server = server
    this.#gone = new Promise(resolve => server.once('exit', resolve))
    await until(
      async () => {
        if (server.exitCode !== null) throw new Error(`PostgreSQL ended by itself: ${log}`)
        return this.sql('SELECT 1').catch(() => undefined)
      },
      START_MS,
      'PostgreSQL accepts connections',
    )
  }

  async sql(text: string, database = 'postgres'): Promise<pg.QueryResult<Record<string, unknown>>> {
    const client = new pg.Client({ connectionString: this.url(database) })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return await client.query(text)
    } finally {
      await client.end()
    }
  }

  /** All of it at once: one that stands still has no more children, and each that it had would keep its memory. */
  async kill(): Promise<void> {
    const server = this.#server
    if (server?.pid === undefined || server.exitCode !== null || server.signalCode !== null) return
    process.kill(server.pid, 'SIGSTOP')
    for (const child of [...(await childrenOf(server.pid)), server.pid]) {
      try {
        process.kill(child, 'SIGKILL')
      } catch {
        // It ended by itself.
      }
    }
    await this.#gone
    await rm(join(this.#data, 'postmaster.pid'), { force: true })
  }

  async stop(): Promise<void> {
    this.#server?.kill('SIGINT') // "fast": it ends what is open
    await this.#gone
  }

  async remove(): Promise<void> {
    await this.kill()
    await rm(this.#folder, { recursive: true, force: true })
  }

  get #data(): string {
    return join(this.#folder, 'data')
  }

  async #owner(): Promise<{ uid: number; gid: number } | undefined> {
    if (process.getuid?.() !== 0) return undefined
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async what => Number((await run('id', [what, 'postgres'])).stdout)),
    )
    return { uid: uid!, gid: gid! }
  }

  async #run(program: string, args: string[]): Promise<void> {
    const [command, all] = this.#as(program, args)
    await run(command, all, { cwd: this.#folder })
  }

  #as(program: string, args: string[]): [command: string, args: string[]] {
    const path = join(this.#programs, program)
    if (process.getuid?.() !== 0) return [path, args]
    return ['setpriv', ['--reuid=postgres', '--regid=postgres', '--init-groups', '--', path, ...args]]
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(pid)]).catch(() => ({ stdout: '' }))
  return stdout.split('\n').map(Number).filter(Boolean)
}
