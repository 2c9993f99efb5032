/** Machines join the platform of this machine, and leave it: the actions `join` and `leave` of `server`. */
import { RyoFaasError } from '../../contract/index.ts'
import type { Context } from '../context.ts'
import { dockerThere } from '../servers/docker-there.ts'
import { shell, type Remote } from '../servers/remote.ts'
import { moveTo } from './start-faas.ts'

export async function join(target: string, args: Record<string, unknown>, context: Context): Promise<void> {
  const { output } = context
  const remote = remoteOf(target, args)
  const progress = output.progress(`looking at ${target}`)
  const joined = await (async () => {
    const members = await context.swarmMembers()
    const address = (args['address'] as string | undefined) ?? (await ownAddress(remote, context))
    const { registry } = await context.runningOptions()
    const wish = { address, theirs: args['theirAddress'] as string | undefined }
    const hasRegistry = registry !== undefined && registry !== 'none'
    return members.join(dockerThere(remote, context), { ...wish, hasRegistry })
  })().finally(() => progress.stop())
  for (const { found, fix } of joined.findings) if (fix !== undefined) output.note(`${found}: ${fix}`)
  output.line(`${joined.name} joined, at ${joined.address}`)
  // Functions there are served from here on, and what runs may move there.
  const platform = await moveTo('swarm', context)
  output.value(joined)
  if (platform === undefined) output.note('ryo-faas startFaas --engine swarm runs functions on it')
  else output.note('ryo-faas details shows where functions run')
}

export async function leave(target: string, args: Record<string, unknown>, context: Context): Promise<void> {
  const { output } = context
  const progress = output.progress(`looking at ${target}`)
  const members = await context.swarmMembers()
  const report = (left: number) => progress.update(left === 0 ? 'leaving the swarm' : `${left} instances are there`)
  const { name } = await members
    .leave(dockerThere(remoteOf(target, args), context), report)
    .finally(() => progress.stop())
  output.value({ name })
  output.line(`${name} left; what ran there runs on the other machines`)
}

function remoteOf(target: string, args: Record<string, unknown>): Remote {
  if (target.startsWith('-') || target.includes('://')) {
    throw new RyoFaasError('INVALID_OPTION', `${target} is not a host that ssh knows`)
  }
  return { target, ...(args['sshConfig'] !== undefined && { sshConfig: args['sshConfig'] as string }) }
}

/** As the other machine sees the connection; undefined if that says nothing of the network between them. */
async function ownAddress(remote: Remote, context: Context): Promise<string | undefined> {
  const said = await shell(remote, { script: 'printf %s "${SSH_CONNECTION%% *}"' }, context)
  return /^(?:127\.|::1$|$)/.test(said) ? undefined : said
}
