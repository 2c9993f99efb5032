/**
 * Brings our platform to a machine and starts it. Invariants: 1. A folder `platform/<build>` there is complete: it gets
 * its name when everything is in it. 2. `platform/current` leads to one at any moment, so that every step may be cut off
 * and done again.
 */
import { RyoFaasError } from '../../contract/index.ts'
import type { Context, PackedPlatform } from '../context.ts'
import { nodeOf, runProgram, shell, type Probe, type Remote } from './remote.ts'

/** Room for the platform, unpacked, and its first data. */
const MIN_FREE_MB = 700

export interface Installed {
  build: string
  version: string
  /** That it runs on. */
  node: string
  isNew: boolean
}

/** @throws RyoFaasError UNSUPPORTED, SERVER_UNREACHABLE */
export async function install(
  remote: Remote,
  found: Probe,
  { context, report }: { context: Context; report: (doing: string) => void },
): Promise<Installed> {
  report('packing the platform')
  const node = nodeOf(found)
  const isOwnNode = node !== found.node?.path || node.startsWith(`${found.home}/platform/`)
  const packed = await context.packPlatform({ target: found.target, withNode: isOwnNode })
  const { build, version } = packed
  if (found.installed?.build === build) return { build, version, node, isNew: false }
  if (found.freeMb < MIN_FREE_MB) {
    throw new RyoFaasError('UNSUPPORTED', `${remote.target} has ${found.freeMb} MB free; it takes ${MIN_FREE_MB} MB`)
  }
  report(`copying ${Math.round(packed.bytes / 1e6)} MB`)
  await upload(remote, packed, context)
  return { build, version, node, isNew: true }
}

async function upload(remote: Remote, { build, files }: PackedPlatform, context: Context): Promise<void> {
  const place = `"$H/platform/${build}"`
  // Of runs that were cut off; a young one may be in progress.
  const tidy = `find "$H/platform" -maxdepth 1 -name 'unfinished-*' -mmin +60 -exec rm -rf {} + 2>/dev/null`
  const isThere = await shell(
    remote,
    { script: `mkdir -p "$H/platform" && ${tidy}; [ -d ${place} ] && echo yes; true` },
    context,
  )
  if (isThere.trim() !== 'yes') {
    const script = `d=$(mktemp -d "$H/platform/unfinished-XXXXXX") || exit 1
      tar -xzf - -C "$d" || { rm -rf "$d"; exit 1; }
      [ -d ${place} ] && rm -rf "$d" || mv "$d" ${place}`
    await shell(remote, { script, input: files() }, context)
  }
  const script = `l="$H/platform/.current.$$"; ln -s ${build} "$l" && mv -T -f "$l" "$H/platform/current"`
  await shell(remote, { script }, context)
}

export interface StartWish {
  installed: Installed
  found: Probe
  /** Of startFaas. */
  flags: readonly string[]
  withService: boolean
}

interface Service {
  isInstalled: boolean
  notes: string[]
}

/**
 * Starts the platform there, or lets it take over from the release that runs; with other flags it is started again.
 * @returns what the user should know
 */
export async function start(remote: Remote, { installed, found, flags, withService }: StartWish, context: Context) {
  const { node } = installed
  const { home } = found
  const run = <T>(args: readonly string[]) => runProgram<T>(remote, { node, home, args }, context)
  if (withService) {
    const { isInstalled, notes: isOther } = await run<Service>(['service', 'status'])
    const action = isInstalled && isOther.length === 0 ? 'upgrade' : 'install'
    return (await run<Service>(['service', action, ...flags])).notes
  }
  const isRunning = installed.isNew && found.agentPort !== undefined
  if (isRunning && flags.length > 0) {
    // What it ran with stays, unless told otherwise.
    const kept = '"$H/run/options-kept.json"'
    const options = '"$H/run/options.json"'
    await shell(remote, { script: `[ ! -f ${options} ] || cp ${options} ${kept}` }, context)
    await run(['stopFaas'])
    await shell(remote, { script: `[ ! -f ${kept} ] || mv ${kept} ${options}` }, context)
  }
  await run(['startFaas', ...(isRunning && flags.length === 0 ? ['--take-over'] : []), ...flags])
  return [
    'It was started without systemd and does not survive a reboot; a line in crontab -e there does that:',
    `@reboot RYO_FAAS_HOME=${home} ${node} ${home}/platform/current/agent/bundle/main/cli.cjs startFaas ${flags.join(' ')}`.trim(),
  ]
}
