/** A real sshd on a free port of the loopback, with keys of its own, for the user who runs the tests. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../../src/host/index.ts'
import { programOf } from './system-packages.ts'
import { until } from './until.ts'

export class SshServer {
  /** Configuration of ssh in which it is called `server`. */
  readonly config: string
  readonly #folder: string
  readonly #port: number
  #daemon: ChildProcess | undefined

  private constructor(folder: string, port: number) {
    this.#folder = folder
    this.#port = port
    this.config = join(folder, 'ssh_config')
  }

  /** @param environment of those who log in */
  static async start(environment: Record<string, string> = {}): Promise<SshServer> {
    const made = new SshServer(await mkdtemp(join(tmpdir(), 'rfa-sshd-')), await freePort())
    await made.#write(environment)
    await made.resume()
    return made
  }

  /** Listens again. */
  async resume(): Promise<void> {
    // The daemon wants its full path, and a folder that a running system has.
    if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true })
    const args = ['-D', '-e', '-f', join(this.#folder, 'sshd_config')]
    this.#daemon = spawn(programOf('openssh-server')!, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#daemon.stderr!.resume()
    await until(() => answers(this.#port), 20_000, 'sshd')
  }

  /** As when the machine is gone: connections end, too. */
  async stop(): Promise<void> {
    const daemon = this.#daemon
    this.#daemon = undefined
    if (daemon === undefined || daemon.exitCode !== null) return
    // Each connection is a process, which outlives the daemon.
    const listed = await promisify(execFile)('ps', ['--ppid', String(daemon.pid), '-o', 'pid=']).catch(() => undefined)
    const connections = listed?.stdout.split('\n').map(Number) ?? [] // None: then ps fails.
    const ended = once(daemon, 'exit')
    daemon.kill('SIGTERM')
    await ended
    for (const pid of connections.filter(Boolean)) {
      try {
        // It passes this on to the child that it has.
        process.kill(pid, 'SIGTERM')
      } catch {
        // It has just ended.
      }
    }
  }

  /** No key opens it any more. */
  async closeToAll(): Promise<void> {
    await writeFile(join(this.#folder, 'authorized_keys'), '')
  }

  async remove(): Promise<void> {
    await this.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #write(environment: Record<string, string>): Promise<void> {
    const path = (name: string) => join(this.#folder, name)
    const keygen = (name: string) =>
      promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path(name)])
    await Promise.all([keygen('host_key'), keygen('user_key')])
    await writeFile(path('authorized_keys'), await readFile(path('user_key.pub')), { mode: 0o600 })
    const hostKey = (await readFile(path('host_key.pub'), 'utf8')).split(' ').slice(0, 2).join(' ')
    await writeFile(path('known_hosts'), `[127.0.0.1]:${this.#port} ${hostKey}\n`)
    await writeFile(
      path('sshd_config'),
      [
        `ListenAddress 127.0.0.1:${this.#port}`,
        `HostKey ${path('host_key')}`,
        `AuthorizedKeysFile ${path('authorized_keys')}`,
        `PidFile ${path('pid')}`,
        ...Object.entries(environment).map(([name, value]) => `SetEnv ${name}=${value}`),
        ...['UsePAM no', 'StrictModes no', 'PasswordAuthentication no', 'KbdInteractiveAuthentication no', ''],
      ].join('\n'),
    )
    await writeFile(
      this.config,
      [
        'Host server',
        '  HostName 127.0.0.1',
        `  Port ${this.#port}`,
        `  User ${userInfo().username}`,
        `  IdentityFile ${path('user_key')}`,
        `  UserKnownHostsFile ${path('known_hosts')}`,
        ...['  IdentitiesOnly yes', '  BatchMode yes', '  StrictHostKeyChecking yes', ''],
      ].join('\n'),
    )
  }
}

function answers(port: number): Promise<true | undefined> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('data', () => resolve(true)).once('error', () => resolve(undefined))
    socket.once('data', () => socket.destroy())
  })
}
