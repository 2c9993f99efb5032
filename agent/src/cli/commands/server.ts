import { text } from 'node:stream/consumers'
import {
  type AgentClient,
  closeTunnel,
  connectTo,
  LOCAL,
  readServers,
  serverIn,
  ServerName,
  type Server,
} from '../../client/index.ts'
import { compareVersions, RyoFaasError } from '../../contract/index.ts'
import { confirm, YES } from '../confirm.ts'
import type { Command, Context, Finding } from '../context.ts'
import { printFindings } from './doctor.ts'
import { join, leave } from './server-members.ts'
import { install, start } from '../servers/install.ts'
import { probe, sshServer, tokenFrom, type Probe, type Remote } from '../servers/remote.ts'

export const server: Command = {
  usage: 'server <action> [target]',
  describe: 'Servers that this machine works with, and machines that functions of this one run on: join, leave',
  examples: [
    ['server add ann@example.com --name shop', 'brings the platform there, over your own ssh'],
    ['server add https://faas.example.com --token -', 'one that runs already; the token is read from stdin'],
    ['server join ann@10.0.0.2', 'lets functions of this machine run there, too; "server leave" ends that'],
    ['server use shop', 'every command is for it from then on; "server use local" ends that'],
  ],
  place: 'here',
  takesPlatformFlags: true,
  options: yargs =>
    yargs
      .positional('action', {
        choices: ['add', 'list', 'use', 'remove', 'upgrade', 'doctor', 'join', 'leave'] as const,
        demandOption: true,
      })
      .positional('target', {
        type: 'string',
        describe: 'With add: user@host or https://…; with join and leave: user@host; else: name of a server',
      })
      .option('name', { type: 'string', nargs: 1, describe: 'With add: its name (default: that of the host)' })
      .option('token', { type: 'string', nargs: 1, describe: 'With add: an existing token; - reads it from stdin' })
      .option('home', {
        type: 'string',
        nargs: 1,
        describe: 'With add: folder of the platform there (default: ~/.ryo-faas)',
      })
      .option('ssh-config', {
        type: 'string',
        nargs: 1,
        describe: 'With add, join and leave: configuration of ssh to use',
      })
      .option('address', {
        type: 'string',
        nargs: 1,
        describe: 'With join: address of this machine for the other one (default: from which ssh connects)',
      })
      .option('their-address', {
        type: 'string',
        nargs: 1,
        describe: 'With join: address of the other machine in the swarm (default: the one that it has)',
      })
      .option('service', {
        type: 'boolean',
        default: true,
        describe: 'With add: let systemd run it, where there is one',
      })
      .option('yes', { ...YES, describe: 'With remove: skip the confirmation' }),
  run: async (args, context) => {
    const target = args['target'] as string | undefined
    const action = args['action'] as keyof typeof ACTIONS
    if (target === undefined && action !== 'list') {
      throw new RyoFaasError(
        'INVALID_OPTION',
        `server ${action} needs ${['add', 'join', 'leave'].includes(action) ? 'user@host' : 'a name'}`,
      )
    }
    return ACTIONS[action](target ?? '', args, context)
  },
}

type Action = (target: string, args: Record<string, unknown>, context: Context) => Promise<void>

const ACTIONS = { add, list, use, remove, upgrade, doctor, join, leave } satisfies Record<string, Action>

async function add(target: string, args: Record<string, unknown>, context: Context): Promise<void> {
  const name = nameFrom((args['name'] as string | undefined) ?? hostOf(target))
  const file = await readServers(context.home)
  const made = /^https?:/.test(target) ? await byAddress(target, args, context) : await bySsh(target, args, context)
  const client = await connectTo({ name, server: made.server }, context)
  const platform = await client.call('platform', {}, context.signal)
  await context.saveServers({ ...file, servers: { ...file.servers, [name]: made.server } })
  context.output.value({ name, version: platform.version, engine: platform.engine, notes: made.notes })
  context.output.line(`${name}: ryo-faas ${platform.version}, ${platform.engineNote}`)
  for (const note of made.notes) context.output.note(note)
  context.output.note(`ryo-faas details --server ${name}, or for all commands: ryo-faas server use ${name}`)
}

interface Made {
  server: Server
  notes: readonly string[]
}

async function bySsh(target: string, args: Record<string, unknown>, context: Context): Promise<Made> {
  if (target.startsWith('-')) throw new RyoFaasError('INVALID_OPTION', `${target} is not a host`)
  const remote: Remote = {
    target,
    ...(args['sshConfig'] !== undefined && { sshConfig: args['sshConfig'] as string }),
    ...(args['home'] !== undefined && { home: args['home'] as string }),
  }
  const { output } = context
  const progress = output.progress(`looking at ${target}`)
  const report = (doing: string) => progress.update(doing)
  try {
    const found = await probe(remote, context)
    refuseDowngrade(found.installed, context)
    const installed = await install(remote, found, { context, report })
    report('starting the platform')
    const withService = args['service'] === true && found.hasSystemd
    const flags = await flagsFrom(args, context)
    const notes = await start(remote, { installed, found, flags, withService }, context)
    const { agentPort } = await probe(remote, context)
    if (agentPort === undefined) throw new RyoFaasError('NOT_RUNNING', `the platform does not run on ${target}`)
    report('creating a token')
    const at = { node: installed.node, home: found.home }
    const token = await tokenFrom(remote, at, context)
    const addedAt = new Date().toISOString()
    return { server: { kind: 'ssh', ...remote, home: found.home, agentPort, token, addedAt }, notes }
  } finally {
    progress.stop()
  }
}

async function byAddress(url: string, args: Record<string, unknown>, { stdin }: Context): Promise<Made> {
  const { origin, protocol } = new URL(url)
  if (protocol !== 'https:') {
    throw new RyoFaasError('INVALID_OPTION', `${url} is not encrypted`, { hint: 'Use https:// or user@host.' })
  }
  const given = args['token'] as string | undefined
  const token = given === '-' ? (await text(stdin)).trim() : given
  if (!token) throw new RyoFaasError('INVALID_OPTION', 'an address needs a token: --token -, and the token on stdin')
  return { server: { kind: 'https', url: origin, token, addedAt: new Date().toISOString() }, notes: [] }
}

async function list(_target: string, _args: Record<string, unknown>, { home, output }: Context): Promise<void> {
  const { servers, current = LOCAL } = await readServers(home)
  const rows = [
    { name: LOCAL, where: 'this machine' },
    ...Object.entries(servers).map(([name, one]) => ({ name, where: one.kind === 'ssh' ? one.target : one.url })),
  ]
  output.value(rows.map(row => ({ ...row, isCurrent: row.name === current })))
  output.table(
    ['', 'NAME', 'WHERE'],
    rows.map(({ name, where }) => [name === current ? '*' : '', name, where]),
  )
}

async function use(name: string, _args: Record<string, unknown>, context: Context): Promise<void> {
  const { current: _, ...file } = await readServers(context.home)
  if (name !== LOCAL) serverIn({ ...file }, name)
  await context.saveServers(name === LOCAL ? file : { ...file, current: name })
  context.output.value({ name })
  context.output.line(name === LOCAL ? 'commands are for this machine again' : `commands are for the server ${name}`)
}

/** Forgets it; what runs there goes on. Its token is revoked if it can be reached. */
async function remove(name: string, args: Record<string, unknown>, context: Context): Promise<void> {
  const file = await readServers(context.home)
  const known = serverIn(file, name)
  await confirm(`Forget the server ${name}? What runs there goes on.`, args['yes'] === true, context)
  const isRevoked = await connectTo({ name, server: known }, context)
    .then(client => revokeOwn(client))
    .catch(() => false)
  if (known.kind === 'ssh') await closeTunnel({ ...known, port: known.agentPort }, context)
  const servers = Object.fromEntries(Object.entries(file.servers).filter(([each]) => each !== name))
  const isCurrent = file.current === name
  await context.saveServers({ format: 1, servers, ...(!isCurrent && file.current && { current: file.current }) })
  context.output.value({ name, isRevoked })
  context.output.line(`forgot ${name}${isRevoked ? '; its token was revoked' : '; its token is still valid there'}`)
}

async function revokeOwn(client: AgentClient): Promise<boolean> {
  const { token } = await client.call('me', {})
  if (token === undefined) return false
  await client.call('revokeToken', { params: { id: token.id } })
  return true
}

async function upgrade(name: string, args: Record<string, unknown>, context: Context): Promise<void> {
  const known = sshServer(name, await readServers(context.home))
  const progress = context.output.progress(`looking at ${name}`)
  const report = (doing: string) => progress.update(doing)
  try {
    const found = await probe(known, context)
    refuseDowngrade(found.installed, context)
    const installed = await install(known, found, { context, report })
    const isRunning = await connectTo({ name, server: known }, context)
      .then(client => client.call('platform', {}))
      .then(({ build }) => build === installed.build)
      .catch(() => false)
    if (!isRunning) {
      report('starting it again')
      const withService = args['service'] === true && found.hasSystemd
      const flags = await flagsFrom(args, context)
      await start(known, { installed: { ...installed, isNew: true }, found, flags, withService }, context)
    }
    progress.stop()
    context.output.value({ name, version: installed.version, build: installed.build, isChanged: !isRunning })
    context.output.line(`${name} runs ryo-faas ${installed.version}${isRunning ? ' already' : ''}`)
  } finally {
    progress.stop()
  }
}

/** @throws RyoFaasError UNSUPPORTED: an older platform may not understand the data of a newer one */
function refuseDowngrade(installed: { version: string } | undefined, { version }: Context): void {
  if (installed === undefined || compareVersions(installed.version, version) <= 0) return
  throw new RyoFaasError('UNSUPPORTED', `the server has ryo-faas ${installed.version}, newer than ${version} here`, {
    hint: 'Upgrade ryo-faas on this machine; its data could not be read by an older one.',
  })
}

async function doctor(name: string, _args: Record<string, unknown>, context: Context): Promise<void> {
  const file = await readServers(context.home)
  const known = serverIn(file, name)
  const findings: Finding[] = []
  if (known.kind === 'ssh') {
    const found = await probe(known, context)
    findings.push(...aboutMachine(found))
    const { agentPort } = found
    if (agentPort !== undefined && agentPort !== known.agentPort) {
      await context.saveServers({ ...file, servers: { ...file.servers, [name]: { ...known, agentPort } } })
      findings.push({ name: 'agent', status: 'ok', found: `moved to port ${agentPort}, which is noted now` })
    }
  }
  const { [name]: current } = (await readServers(context.home)).servers
  findings.push(await aboutPlatform(name, current!, context))
  printFindings(findings, context)
}

function aboutMachine({ node, docker, freeMb, hasSystemd, installed, agentPort }: Probe): Finding[] {
  return [
    { name: 'node', status: 'ok', found: node === undefined ? 'brought along' : `${node.version} at ${node.path}` },
    docker === undefined
      ? { name: 'docker', status: 'warn', found: 'not running', fix: 'Functions run as processes, without isolation.' }
      : { name: 'docker', status: 'ok', found: docker },
    { name: 'disk', status: freeMb < 500 ? 'warn' : 'ok', found: `${freeMb} MB free` },
    hasSystemd
      ? { name: 'systemd', status: 'ok', found: 'running' }
      : { name: 'systemd', status: 'warn', found: 'absent', fix: 'Nothing starts the platform after a reboot.' },
    installed === undefined
      ? { name: 'platform', status: 'fail', found: 'not installed', fix: 'ryo-faas server upgrade brings it.' }
      : { name: 'platform', status: 'ok', found: `${installed.version}, build ${installed.build}` },
    ...(agentPort === undefined
      ? [{ name: 'agent', status: 'fail', found: 'not running', fix: 'ryo-faas server upgrade starts it.' } as const]
      : []),
  ]
}

async function aboutPlatform(name: string, known: Server, context: Context): Promise<Finding> {
  try {
    const client = await connectTo({ name, server: known }, context)
    const { version, phase } = await client.call('platform', {})
    const { can, token } = await client.call('me', {})
    const until = token?.expiresAt === undefined ? '' : ` until ${token.expiresAt}`
    const found = `answers, version ${version}, ${phase.kind}; the token may ${can}${until}`
    return { name: 'connection', status: phase.kind === 'ready' ? 'ok' : 'warn', found }
  } catch (error) {
    const { message, hint } = RyoFaasError.from(error)
    return { name: 'connection', status: 'fail', found: message, ...(hint !== undefined && { fix: hint }) }
  }
}

/** Those of startFaas, as they were given. */
async function flagsFrom(args: Record<string, unknown>, { platformFlags }: Context): Promise<string[]> {
  const known = await platformFlags()
  return known.flatMap(({ name }) => {
    const flag = name.replace(/([A-Z])/g, '-$1').toLowerCase()
    return args[name] === undefined ? [] : [`--${flag}=${args[name] as string}`]
  })
}

/** @throws RyoFaasError INVALID_OPTION */
function nameFrom(text: string): string {
  const parsed = ServerName.safeParse(text.toLowerCase())
  if (parsed.success && parsed.data !== LOCAL) return parsed.data
  throw new RyoFaasError('INVALID_OPTION', `"${text}" cannot be the name of a server`, {
    hint: 'Give it one with --name: lower case letters, digits, dots, dashes; not "local".',
  })
}

function hostOf(target: string): string {
  if (URL.canParse(target) && target.includes('://')) return new URL(target).hostname
  return target.slice(target.lastIndexOf('@') + 1)
}
