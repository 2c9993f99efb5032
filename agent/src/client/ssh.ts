/**
 * The user's own `ssh`, as a program: with its configuration, keys, agent, jump hosts and hardware tokens everything
 * works that works in a shell, and no secret of it passes through us. A library (ssh2) would read none of these.
 */
import { spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { RyoFaasError } from '../contract/index.ts'

/** For the last words of a connection that others go on using. */
const GRACE_MS = 500

export interface SshPlace {
  /** As ssh takes it: `user@host`, or a name of its configuration. */
  target: string
  sshConfig?: string | undefined
}

export interface SshRun {
  /** For a shell of the other side. */
  command?: string
  /** Of ssh, before the target. */
  options?: readonly string[]
  input?: string | Readable
  signal?: AbortSignal | undefined
}

/** What a shell takes as one word. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/**
 * Runs ssh; its questions (passphrase, unknown host) go to the terminal.
 * @returns what the command printed
 * @throws RyoFaasError SERVER_UNREACHABLE if ssh does not connect or the command fails; CANCELLED
 */
export async function runSsh(place: SshPlace, { command, options = [], input, signal }: SshRun): Promise<string> {
  const args = [...argumentsOf(place), ...options, '--', place.target, ...(command === undefined ? [] : [command])]
  const child = spawn('ssh', args, { stdio: ['pipe', 'pipe', 'pipe'], ...(signal && { signal }) })
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('exit', resolve))
  const printed = collect(child.stdout)
  const said = collect(child.stderr)
  const fed = feed(child.stdin, input)
  try {
    const code = await ended
    await fed
    // What it leaves in the background may keep its output open.
    if (!options.includes('-f')) await Promise.all([printed.over, Promise.race([said.over, delay(GRACE_MS)])])
    if (code !== 0) throw failure(place, code, said.text())
    return printed.text()
  } catch (error) {
    if (signal?.aborted) throw new RyoFaasError('CANCELLED', 'cancelled', { cause: error })
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new RyoFaasError('SERVER_UNREACHABLE', 'ssh is not installed on this machine', {
        hint: 'Install OpenSSH, such as: sudo apt-get install openssh-client',
        cause: error,
      })
    }
    throw error
  } finally {
    child.stdout.destroy()
    child.stderr.destroy()
  }
}

async function feed(stdin: NodeJS.WritableStream, input: string | Readable | undefined): Promise<void> {
  if (input === undefined || typeof input === 'string') return void stdin.on('error', () => undefined).end(input ?? '')
  await pipeline(input, stdin).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error
  })
}

function collect(stream: Readable) {
  const pieces: Buffer[] = []
  const over = new Promise<void>(resolve => {
    stream.on('data', (piece: Buffer) => pieces.push(piece)).once('close', resolve)
  })
  return { over, text: () => Buffer.concat(pieces).toString() }
}

function argumentsOf({ sshConfig }: SshPlace): string[] {
  return ['-T', '-o', 'ConnectTimeout=15', ...(sshConfig === undefined ? [] : ['-F', sshConfig])]
}

const REASONS: [RegExp, string][] = [
  [/Permission denied/i, 'Log in by hand first: ssh needs a key that the server knows (ssh-copy-id).'],
  [
    /Host key verification failed/i,
    'Connect by hand once and compare the fingerprint; an unexpected change is a warning.',
  ],
  [/Could not resolve|Name or service not known/i, 'Check the name; ssh takes those of its own configuration as well.'],
  [/refused|timed out|No route|unreachable/i, 'Check that the server runs and takes ssh from here.'],
]

function failure({ target }: SshPlace, code: number | null, said: string): RyoFaasError {
  const lines = said.split(/\r?\n/).filter(line => line.trim() !== '')
  const last = lines.at(-1) ?? `it ended with ${code}`
  // ssh itself ends with 255.
  const isSsh = code === 255
  const hint = REASONS.find(([pattern]) => pattern.test(said))?.[1]
  return new RyoFaasError('SERVER_UNREACHABLE', `${isSsh ? 'ssh to ' : ''}${target}: ${last}`, {
    ...(isSsh && hint !== undefined && { hint }),
    ...(lines.length > 1 && { logs: lines.slice(-10) }),
  })
}
