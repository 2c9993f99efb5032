/**
 * A way through ssh to the agent of a server, which listens on its loopback only. One ssh stays in the background for ten
 * minutes after the last use, so that the next command is as quick as a local one. Invariants:
 *
 * 1. The near end is a socket in a folder that belongs to this user and nobody else can enter: no other program of this
 *    machine can use the tunnel or stand in for it.
 * 2. Two that open it at once do not disturb each other: each has a folder of its own, and a link says which one counts.
 */
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { lstat, mkdir, readdir, rename, rm, symlink } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { RyoFaasError } from '../contract/index.ts'
import { runSsh, type SshPlace, type SshRun } from './ssh.ts'

const IDLE = '10m'
const KEPT_ALIVE = ['ServerAliveInterval=15', 'ServerAliveCountMax=3']

export interface Tunnel extends SshPlace {
  /** On the loopback of the other side. */
  port: number
}

export interface TunnelUse {
  environment: NodeJS.ProcessEnv
  signal?: AbortSignal | undefined
  /** Nobody is there to answer a question of ssh: it fails instead. */
  isUnattended?: boolean | undefined
}

/** A port of this machine's loopback that leads to one of the other side's. */
export interface Forward {
  port: number
  close(): Promise<void>
}

/**
 * @returns the path of a socket that leads there
 * @throws RyoFaasError SERVER_UNREACHABLE, UNSUPPORTED
 */
export async function openTunnel(tunnel: Tunnel, { environment, signal, isUnattended }: TunnelUse): Promise<string> {
  if (process.platform === 'win32') {
    throw new RyoFaasError('UNSUPPORTED', 'OpenSSH for Windows cannot keep a connection open for other commands', {
      hint: 'Use WSL, or add the server by its address: ryo-faas server add https://…',
    })
  }
  const folder = await privateFolder(environment)
  const current = join(folder, idOf(tunnel))
  if (await isOpen(join(current, 's'))) return join(current, 's')
  await removeDead(folder)
  const own = `${current}.${randomBytes(4).toString('hex')}`
  await mkdir(own, { mode: 0o700 })
  const settings = [
    ...KEPT_ALIVE,
    ...['ControlMaster=yes', `ControlPath=${join(own, 'c')}`, `ControlPersist=${IDLE}`, 'ExitOnForwardFailure=yes'],
    ...(isUnattended ? ['BatchMode=yes'] : []),
  ]
  try {
    const forward = ['-f', '-N', '-L', `${join(own, 's')}:127.0.0.1:${tunnel.port}`]
    await runSsh(tunnel, { options: [...settings.flatMap(setting => ['-o', setting]), ...forward], signal })
  } catch (error) {
    await rm(own, { recursive: true, force: true })
    throw error
  }
  await symlink(own, `${own}.link`)
  await rename(`${own}.link`, current)
  return join(current, 's')
}

/**
 * Runs a command on the other side. Several in a row share one connection.
 * @returns what it printed
 * @throws RyoFaasError SERVER_UNREACHABLE, CANCELLED
 */
export async function runThere(
  place: SshPlace,
  run: Pick<SshRun, 'command' | 'input'>,
  { environment, signal }: TunnelUse,
): Promise<string> {
  const control = join(await privateFolder(environment), `${idOf({ ...place, port: 0 })}.c`)
  const settings = ['ControlMaster=auto', `ControlPath=${control}`, 'ControlPersist=30', ...KEPT_ALIVE]
  return runSsh(place, { ...run, signal, options: settings.flatMap(setting => ['-o', setting]) })
}

/**
 * The same for what knows no sockets, such as a browser: a port of the loopback, as long as the ssh in the background
 * lives. That is as long as somebody is connected, and ten minutes more.
 * @param farPort default: the one of the tunnel
 * @throws RyoFaasError SERVER_UNREACHABLE, UNSUPPORTED
 */
export async function openPort(tunnel: Tunnel, use: TunnelUse, farPort = tunnel.port): Promise<Forward> {
  const control = join(dirname(await openTunnel(tunnel, use)), 'c')
  const port = await freePort()
  const ask = (what: 'forward' | 'cancel') => {
    const forward = ['-O', what, '-L', `127.0.0.1:${port}:127.0.0.1:${farPort}`]
    return runSsh(tunnel, { options: [...forward, '-o', `ControlPath=${control}`], signal: use.signal })
  }
  await ask('forward')
  return {
    port,
    // If it fails, the connection is gone, and the port with it.
    close: () =>
      ask('cancel').then(
        () => undefined,
        () => undefined,
      ),
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Ends the ssh in the background. */
export async function closeTunnel(tunnel: Tunnel, { environment }: TunnelUse): Promise<void> {
  const current = join(await privateFolder(environment), idOf(tunnel))
  const control = join(current, 'c')
  if (await isOpen(control)) {
    await runSsh(tunnel, { options: ['-O', 'exit', '-o', `ControlPath=${control}`] }).catch(() => undefined) // It has just ended.
  }
  await rm(current, { force: true })
}

/** @throws RyoFaasError HOME_UNUSABLE if somebody else made it */
async function privateFolder(environment: NodeJS.ProcessEnv): Promise<string> {
  const { uid } = userInfo()
  // A path of a socket has at most 104 bytes, so it cannot be in the home.
  const runtime = environment['XDG_RUNTIME_DIR']
  const folder = join(runtime && existsSync(runtime) ? runtime : tmpdir(), `ryo-faas-${uid}`)
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  const found = await lstat(folder)
  if (found.isDirectory() && found.uid === uid && (found.mode & 0o077) === 0) return folder
  throw new RyoFaasError('HOME_UNUSABLE', `${folder} is not a folder of yours alone`, {
    hint: `Remove it, or set XDG_RUNTIME_DIR to a folder of your own.`,
  })
}

function idOf({ target, sshConfig = '', port }: Tunnel): string {
  return createHash('sha256').update([target, sshConfig, port].join('\n')).digest('hex').slice(0, 12)
}

/** Ends of tunnels whose ssh has ended. */
async function removeDead(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    if (/^[0-9a-f]{12}\.[0-9a-f]{8}$/.test(name) && (await isOld(path)) && !(await isOpen(join(path, 'c')))) {
      await rm(path, { recursive: true, force: true })
    }
  }
}

/** A younger one may be about to open. */
async function isOld(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined)
  return found !== undefined && Date.now() - found.mtimeMs > 60_000
}

function isOpen(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
