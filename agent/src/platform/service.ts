/**
 * The platform as a service of systemd: of the machine if root asks, else of the user, which runs without anybody being
 * logged in once `loginctl enable-linger` allowed it.
 *
 * The unit runs `startFaas` and remains: keeper and agent bring each other back, and everything else. Stopping the unit
 * stops the platform properly; reloading it lets the release that is there now take over, without stopping anything.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { realpath, rm } from 'node:fs/promises'
import { homedir, userInfo } from 'node:os'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RyoFaasError, type ServiceState } from '../contract/index.ts'
import { readIfPresent, writeDurably } from '../host/index.ts'
import { flagOf, OPTION_HELP } from './options.ts'

/** What we ask of systemd's machine. */
export interface System {
  /** By systemd. */
  isBooted: boolean
  isRoot: boolean
  user: string
  folders: { system: string; user: string }
  run(program: string, args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }>
}

export interface ServiceOptions {
  home: string
  system: System
}

interface Unit {
  home: string
  node: string
  entry: string
  flags: readonly string[]
  isOfUser: boolean
}

const UNIT = 'ryo-faas.service'

/** Of systemd.unit(5); for systemd-analyze verify and for people. */
export function unitText({ home, node, entry, flags, isOfUser }: Unit): string {
  const run = (command: string, more: readonly string[] = []) =>
    [node, entry, command, ...more].map(commandWord).join(' ')
  return `# Made by "ryo-faas service install", and replaced by the next one.
[Unit]
Description=ryo-faas: functions and a JSON store (${home})
Documentation=https://github.com/ryo-faas/ryo-faas
${isOfUser ? '' : 'After=network-online.target docker.service\nWants=network-online.target\n'}
[Service]
Type=oneshot
RemainAfterExit=yes
Environment=${word(`RYO_FAAS_HOME=${home}`)}
Environment=${word(`PATH=${dirname(node)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`)}
ExecStart=${run('startFaas', flags)}
ExecReload=${run('startFaas', ['--take-over'])}
ExecStop=${run('stopFaas')}
TimeoutStartSec=300
TimeoutStopSec=120
TasksMax=infinity
LimitNOFILE=524288

[Install]
WantedBy=${isOfUser ? 'default.target' : 'multi-user.target'}
`
}

/** Quoted as systemd.syntax(7) says, without its specifiers. */
function word(text: string): string {
  const plain = text.replaceAll('%', '%%')
  return /^[\w%@:=,./+-]+$/.test(plain) ? plain : `"${plain.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

/** Of a command line, where systemd also replaces variables. */
function commandWord(text: string): string {
  return word(text.replaceAll('$', '$$$$'))
}

export type ServiceAction = 'install' | 'upgrade' | 'uninstall' | 'status'

/** @throws RyoFaasError UNSUPPORTED without systemd, PART_FAILED with what it said */
export function changeService(
  action: ServiceAction,
  flags: Record<string, unknown>,
  options: ServiceOptions,
): Promise<ServiceState> {
  switch (action) {
    case 'install':
      return install(flags, options)
    case 'upgrade':
      return upgrade(flags, options)
    case 'uninstall':
      return uninstall(options)
    case 'status':
      return stateOf(options)
  }
}

async function install(flags: Record<string, unknown>, options: ServiceOptions): Promise<ServiceState> {
  await writeUnit(givenFlags(flags), options)
  return begin('restart', options)
}

/**
 * With the flags that it was installed with, where no others are given: then nothing is stopped.
 * @throws RyoFaasError INVALID_REQUEST if it is not installed for this home
 */
async function upgrade(flags: Record<string, unknown>, options: ServiceOptions): Promise<ServiceState> {
  const { home, system } = options
  const { path } = placeOf(system)
  const text = await readIfPresent(path)
  if (text === undefined || !isFor(home, text)) {
    throw new RyoFaasError('INVALID_REQUEST', `there is no service for ${home}`, { hint: 'ryo-faas service install' })
  }
  const before = flagsIn(text)
  const given = givenFlags(flags)
  const kept = before.filter(flag => !given.some(other => other.split('=')[0] === flag.split('=')[0]))
  const isSame = given.every(flag => before.includes(flag))
  await writeUnit(isSame ? before : [...kept, ...given], options)
  const { state } = await stateOf(options)
  return begin(isSame && state === 'active' ? 'reload' : 'restart', options)
}

function givenFlags(flags: Record<string, unknown>): string[] {
  return Object.keys(OPTION_HELP).flatMap(name =>
    flags[name] === undefined ? [] : [`${flagOf(name)}=${flags[name] as string}`],
  )
}

async function writeUnit(flags: readonly string[], { home, system }: ServiceOptions): Promise<void> {
  const { path, isOfUser } = placeOf(system)
  await writeDurably(path, unitText({ home, ...(await stableProgram(home)), flags, isOfUser }), 0o644)
}

async function begin(verb: 'restart' | 'reload', options: ServiceOptions): Promise<ServiceState> {
  const { system } = options
  await systemctl(options, ['daemon-reload'])
  const notes = placeOf(system).isOfUser ? await linger(system) : []
  await systemctl(options, ['enable', UNIT])
  await systemctl(options, [verb, UNIT])
  const state = await stateOf(options)
  return { ...state, notes: [...state.notes, ...notes] }
}

/** Of startFaas, in a unit that we wrote. */
export function flagsIn(unit: string): string[] {
  const line = /^ExecStart=(.*)$/m.exec(unit)?.[1] ?? ''
  const words = [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) =>
    (quoted?.replace(/\\(.)/g, '$1') ?? plain!).replaceAll('%%', '%').replaceAll('$$', '$'),
  )
  return words.slice(words.indexOf('startFaas') + 1)
}

function isFor(home: string, unit: string): boolean {
  return unit.includes(word(`RYO_FAAS_HOME=${home}`))
}

/** Stops the platform; its data is kept. */
async function uninstall(options: ServiceOptions): Promise<ServiceState> {
  const { path } = placeOf(options.system)
  if ((await readIfPresent(path)) !== undefined) {
    await systemctl(options, ['disable', '--now', UNIT])
    await rm(path, { force: true })
    await systemctl(options, ['daemon-reload'])
  }
  return stateOf(options)
}

async function stateOf({ home, system }: ServiceOptions): Promise<ServiceState> {
  const place = placeOf(system)
  const text = await readIfPresent(place.path)
  const isInstalled = text !== undefined
  const ask = async (verb: string) => (await system.run('systemctl', [...scope(system), verb, UNIT])).stdout.trim()
  const isOther = isInstalled && !isFor(home, text)
  return {
    ...place,
    isInstalled,
    state: isInstalled ? await ask('is-active') : 'absent',
    isEnabled: isInstalled && (await ask('is-enabled')) === 'enabled',
    notes: isOther ? [`${place.path} is for another home than ${home}`] : [],
  }
}

function placeOf({ isBooted, isRoot, folders }: System): Pick<ServiceState, 'path' | 'isOfUser'> {
  if (!isBooted) {
    throw new RyoFaasError('UNSUPPORTED', 'this machine is not run by systemd, so no service can be installed', {
      hint: 'Let it run "ryo-faas startFaas" when it starts, for example with this line in crontab -e: @reboot ryo-faas startFaas',
    })
  }
  return { isOfUser: !isRoot, path: join(isRoot ? folders.system : folders.user, UNIT) }
}

function scope({ isRoot }: System): string[] {
  return isRoot ? [] : ['--user']
}

async function systemctl({ system }: ServiceOptions, args: readonly string[]): Promise<void> {
  const { code, stderr } = await system.run('systemctl', [...scope(system), ...args])
  if (code === 0) return
  throw new RyoFaasError('PART_FAILED', `systemctl ${args.join(' ')}: ${stderr.trim() || `it ended with ${code}`}`, {
    hint: `See: journalctl ${scope(system).join(' ')} -u ${UNIT}`.replace('  ', ' '),
  })
}

/** Without it systemd ends what belongs to a user who is not logged in. */
async function linger({ run, user }: System): Promise<string[]> {
  const { code } = await run('loginctl', ['enable-linger', user])
  return code === 0
    ? [`${user} lingers: the platform runs without a login (loginctl enable-linger)`]
    : [`the platform ends when ${user} logs out, until root runs: loginctl enable-linger ${user}`]
}

/**
 * Where our program is found after an upgrade, too: a copy that \`server add\` made is reached by the link \`current\`.
 */
async function stableProgram(home: string): Promise<{ node: string; entry: string }> {
  const entry = fileURLToPath(new URL('../main/cli.cjs', import.meta.url))
  const current = join(home, 'platform', 'current')
  const target = await realpath(current).catch(() => undefined)
  const stable = (path: string) =>
    target !== undefined && path.startsWith(target + sep) ? join(current, path.slice(target.length)) : path
  return { node: stable(process.execPath), entry: stable(entry) }
}

/** This machine's. */
export function systemOf(environment: NodeJS.ProcessEnv): System {
  const config = environment['XDG_CONFIG_HOME'] || join(homedir(), '.config')
  return {
    isBooted: existsSync('/run/systemd/system'),
    isRoot: process.getuid?.() === 0,
    user: userInfo().username,
    folders: { system: '/etc/systemd/system', user: join(config, 'systemd', 'user') },
    run: (program, args) =>
      new Promise(resolve => {
        execFile(program, [...args], { env: environment }, (error, stdout, stderr) => {
          const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
          resolve({ code, stdout, stderr: stderr || (error?.message ?? '') })
        })
      }),
  }
}
