/** A machine that is reached through ssh: what is on it, and how our program is run there. */
import { hostname, userInfo } from 'node:os'
import type { Readable } from 'node:stream'
import { quoted, runThere, serverIn, type ServersFile, type SshPlace, type SshServer } from '../../client/index.ts'
import { compareNumbers, RyoFaasError } from '../../contract/index.ts'
import type { Context } from '../context.ts'

export interface Remote extends SshPlace {
  /** Of its platform; absent: `.ryo-faas` in the home of the user there. */
  home?: string | undefined
}

/** What a look at the machine tells. */
export interface Probe {
  /** `<process.platform>-<process.arch>`, as Node calls it. */
  target: string
  /** Of the platform, absolute. */
  home: string
  user: string
  freeMb: number
  /** The newest that is installed. */
  node?: { version: string; path: string }
  /** Version of its engine. */
  docker?: string
  hasSystemd: boolean
  /** What `server add` copied, and which build runs from it. */
  installed?: { version: string; build: string }
  /** The agent that announced itself there. */
  agentPort?: number
}

const MIN_NODE = [20, 19] as const
const ARCHITECTURES: Record<string, string> = { x86_64: 'x64', amd64: 'x64', aarch64: 'arm64', arm64: 'arm64' }

/** Prints `name=value` lines; for any shell, because nothing else is sure to be there. */
const PROBE = `
say() { printf '%s=%s\\n' "$1" "$2"; }
say os "$(uname -s)"; say arch "$(uname -m)"; say user "$(id -un)"; say home "$H"
mkdir -p "$H" && chmod 700 "$H" || exit 1
say free "$(df -Pk "$H" | tail -n 1 | awk '{print $4}')"
for n in "$(command -v node)" /usr/local/bin/node /usr/bin/node "$HOME"/.nvm/versions/node/*/bin/node "$H"/platform/current/node/bin/node; do
  [ -x "$n" ] && say node "$("$n" -p process.versions.node 2>/dev/null) $n"
done
say docker "$(docker version --format '{{.Server.Version}}' 2>/dev/null)"
[ -d /run/systemd/system ] && say systemd yes
[ -f "$H/platform/current/agent/package.json" ] && say installed "$(tr -d '\\n' < "$H/platform/current/agent/package.json")"
[ -f "$H/agent.json" ] && say agent "$(tr -d '\\n' < "$H/agent.json")"
ls /lib/ld-musl-* >/dev/null 2>&1 && say musl yes
command -v tar >/dev/null && command -v gzip >/dev/null && say tar yes
true`

/** @throws RyoFaasError SERVER_UNREACHABLE, UNSUPPORTED if it cannot be a server */
export async function probe(remote: Remote, context: Context): Promise<Probe> {
  const said = new Map<string, string[]>()
  for (const line of (await shell(remote, { script: PROBE }, context)).split('\n')) {
    const [, name, value] = /^(\w+)=(.*)$/.exec(line) ?? []
    if (name !== undefined && value) said.set(name, [...(said.get(name) ?? []), value])
  }
  const one = (name: string) => said.get(name)?.[0]
  const architecture = ARCHITECTURES[one('arch') ?? '']
  if (one('os') !== 'Linux' || architecture === undefined || one('musl') !== undefined) {
    const is = [one('os'), one('arch'), one('musl') && 'with musl'].filter(Boolean).join(' ')
    throw new RyoFaasError('UNSUPPORTED', `${remote.target} is ${is}; a server runs Linux with glibc on x64 or arm64`)
  }
  if (one('tar') === undefined) {
    throw new RyoFaasError('UNSUPPORTED', `${remote.target} has no tar or no gzip`, { hint: 'Install them there.' })
  }
  const node = newestNode(said.get('node') ?? [])
  const installed = parsed<{ version: string; build: string }>(one('installed'))
  const agent = parsed<{ url: string }>(one('agent'))
  return {
    target: `linux-${architecture}`,
    home: one('home')!,
    user: one('user') ?? '',
    freeMb: Math.floor(Number(one('free') ?? 0) / 1024),
    hasSystemd: one('systemd') !== undefined,
    ...(node !== undefined && { node }),
    ...(one('docker') !== undefined && { docker: one('docker')! }),
    ...(installed !== undefined && { installed }),
    ...(agent !== undefined && { agentPort: Number(new URL(agent.url).port) }),
  }
}

/** The newest that is new enough; lines are `<version> <path>`. */
export function newestNode(lines: readonly string[]): Probe['node'] {
  const found = lines.map(line => {
    const [version = '', ...path] = line.split(' ')
    return { version, path: path.join(' '), numbers: version.split('.').map(Number) }
  })
  const isNewEnough = ([major = 0, minor = 0]: number[]) =>
    major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1])
  const [newest] = found
    .filter(({ numbers }) => isNewEnough(numbers))
    .sort((a, b) => compareNumbers(b.numbers, a.numbers))
  return newest && { version: newest.version, path: newest.path }
}

/** Runs our program there. @returns what it printed with --json */
export async function runProgram<T>(
  remote: Remote,
  { node, home, args, input }: { node: string; home: string; args: readonly string[]; input?: Readable },
  context: Context,
): Promise<T> {
  const entry = `${home}/platform/current/agent/bundle/main/cli.cjs`
  const words = [node, entry, ...args, '--json'].map(quoted).join(' ')
  // What it says about a failure is JSON on its standard output.
  const script = `export RYO_FAAS_HOME=${quoted(home)}; ${words} || exit 0`
  const said = await shell(remote, { script, ...(input !== undefined && { input }) }, context)
  const answer = JSON.parse(said) as T & { error?: Parameters<typeof RyoFaasError.fromBody>[0] }
  if (answer.error !== undefined) throw RyoFaasError.fromBody(answer.error)
  return answer
}

/** Program that the platform there runs on. */
export function nodeOf({ home, node }: Probe): string {
  const isOwn = node === undefined || node.path.startsWith(`${home}/platform/`)
  return isOwn ? `${home}/platform/current/node/bin/node` : node.path
}

/** A new one; of earlier times that this machine was here, none is left. */
export async function tokenFrom(remote: Remote, at: { node: string; home: string }, context: Context): Promise<string> {
  const owner = `${userInfo().username}@${hostname()}`
  const run = <T>(args: readonly string[]) => runProgram<T>(remote, { ...at, args }, context)
  for (const { id, name } of await run<{ id: string; name: string }[]>(['token', 'list'])) {
    if (name === owner) await run(['token', 'revoke', id, '--yes'])
  }
  return (await run<{ token: string }>(['token', 'create', owner, '--can', 'admin'])).token
}

/** @throws RyoFaasError SERVER_NOT_FOUND, UNSUPPORTED for one that is known by its address */
export function sshServer(name: string, file: ServersFile): SshServer {
  const known = serverIn(file, name)
  if (known.kind === 'ssh') return known
  throw new RyoFaasError('UNSUPPORTED', `${name} is known by its address only, so nothing can be installed there`, {
    hint: 'Add it by ssh: ryo-faas server add user@host',
  })
}

/** Runs a script with `$H`, the home of the platform there. */
export async function shell(
  remote: Remote,
  { script, input }: { script: string; input?: Readable },
  { environment, signal }: Context,
): Promise<string> {
  const home = remote.home === undefined ? '"$HOME/.ryo-faas"' : quoted(remote.home)
  const command = `sh -c ${quoted(`H=${home}; ${script}`)}`
  return runThere(remote, { command, ...(input !== undefined && { input }) }, { environment, signal })
}

function parsed<T>(text: string | undefined): T | undefined {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as T)
  } catch {
    return undefined // Half-written, or not ours.
  }
}
