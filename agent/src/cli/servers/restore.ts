/**
 * Puts a backup into the home of a server, whose platform stands still meanwhile. Invariant: whatever becomes of the
 * restore, the platform there is started again with the options that it ran with.
 */
import type { Readable } from 'node:stream'
import { readServers } from '../../client/index.ts'
import { RyoFaasError } from '../../contract/index.ts'
import type { BackupFacts, Context } from '../context.ts'
import { nodeOf, probe, runProgram, shell, sshServer, tokenFrom } from './remote.ts'

type Restored = BackupFacts & { before?: string }

/** @throws RyoFaasError UNSUPPORTED, SERVER_UNREACHABLE; what `restore` says there */
export async function restoreThere(
  name: string,
  restoring: { content: Readable; digest: string | undefined; report: (doing: string) => void },
  context: Context,
): Promise<Restored> {
  const { content, digest, report } = restoring
  const known = sshServer(name, await readServers(context.home))
  const found = await probe(known, context)
  if (found.installed === undefined) {
    throw new RyoFaasError('UNSUPPORTED', `there is no platform on ${name} that this machine brought`, {
      hint: `Bring it: ryo-faas server upgrade ${name}`,
    })
  }
  const at = { node: nodeOf(found), home: found.home }
  const run = <T>(args: readonly string[], input?: Readable) =>
    runProgram<T>(known, { ...at, args, ...(input && { input }) }, context)
  // A platform that stops forgets what it ran with.
  const [options, kept] = ['"$H/run/options.json"', '"$H/run/options-kept.json"']
  report(`stopping the platform of ${name}`)
  await shell(known, { script: `[ ! -f ${options} ] || cp ${options} ${kept}` }, context)
  if (found.agentPort !== undefined) await run(['stopFaas'])
  try {
    report('sending the backup')
    return await run<Restored>(
      ['restore', '-', '--replace', ...(digest === undefined ? [] : ['--digest', digest])],
      content,
    )
  } finally {
    report(`starting the platform of ${name}`)
    await shell(known, { script: `[ ! -f ${kept} ] || mv ${kept} ${options}` }, context)
    await run(['startFaas'])
    await introduce(name, at, context)
  }
}

/** Ports may be others now, and the tokens are those of the backup. */
async function introduce(name: string, at: { node: string; home: string }, context: Context): Promise<void> {
  const file = await readServers(context.home)
  const known = sshServer(name, file)
  const { agentPort = known.agentPort } = await probe(known, context)
  const token = await tokenFrom(known, at, context)
  await context.saveServers({ ...file, servers: { ...file.servers, [name]: { ...known, agentPort, token } } })
}
