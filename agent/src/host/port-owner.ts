/** Who listens on a TCP port of this machine, for error messages. */
import { execFile } from 'node:child_process'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { promisify } from 'node:util'
import { RyoFaasError } from '../contract/index.ts'

export type PartWithPort = 'proxy' | 'HTTPS' | 'HTTP redirect' | 'agent' | 'store' | 'NATS' | 'collector'

const FLAGS: Partial<Record<PartWithPort, string>> = {
  proxy: '--port',
  NATS: '--nats-port',
  HTTPS: '--https',
  'HTTP redirect': '--http-redirect',
}

/** The error for a port that another program uses: which one, and the option that helps. */
export async function portTaken(part: PartWithPort, port: number): Promise<RyoFaasError> {
  const owner = await portOwner(port)
  const flag = FLAGS[part] ?? `--${part}-port`
  // Where the world looks for it, a free one is of no use.
  const free = part.startsWith('HTTP') ? '' : `, or ${flag} 0 for any free one`
  return new RyoFaasError('PORT_TAKEN', `port ${port} (${part}) is in use by ${owner ?? 'another program'}`, {
    hint: `Choose another with ${flag}${free}.`,
  })
}

/** Best effort; `undefined` if unknown. */
async function portOwner(port: number): Promise<string | undefined> {
  try {
    return process.platform === 'linux' ? await fromProc(port) : await fromLsof(port)
  } catch {
    return undefined // The message is still true without it.
  }
}

/** proc(5): /proc/net/tcp names the socket's inode, /proc/<pid>/fd who holds it. */
async function fromProc(port: number): Promise<string | undefined> {
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map(path => readFile(path, 'utf8').catch(() => '')),
  )
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const LISTEN = '0A'
  const rows = tables.flatMap(table => table.split('\n').map(row => row.trim().split(/\s+/)))
  const inodes = new Set(
    rows.filter(row => row[1]?.endsWith(suffix) && row[3] === LISTEN).map(row => `socket:[${row[9]}]`),
  )
  if (inodes.size === 0) return undefined
  for (const pid of (await readdir('/proc')).filter(name => /^\d+$/.test(name))) {
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => [])
    for (const descriptor of descriptors) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')
      if (!inodes.has(target)) continue
      const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').slice(0, 3).join(' ').trim()
      return `${command} (pid ${pid})`
    }
  }
  return undefined
}

async function fromLsof(port: number): Promise<string | undefined> {
  const { stdout } = await promisify(execFile)('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc'])
  const pid = /^p(\d+)$/m.exec(stdout)?.[1]
  const command = /^c(.+)$/m.exec(stdout)?.[1]
  return pid && `${command ?? 'a program'} (pid ${pid})`
}
