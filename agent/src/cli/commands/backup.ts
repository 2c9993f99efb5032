/** A whole home as one file, and back. */
import { createReadStream } from 'node:fs'
import { access } from 'node:fs/promises'
import { resolve } from 'node:path'
import { RyoFaasError } from '../../contract/index.ts'
import type { BackupFacts, Command, Context } from '../context.ts'
import { formatBytes } from '../output.ts'
import { restoreThere } from '../servers/restore.ts'

const PIPE = '-'

/** yargs gives a lone dash as an empty text. */
function fileFrom(given: unknown): string | undefined {
  return given === '' ? PIPE : (given as string | undefined)
}

export const backup: Command = {
  usage: 'backup [file]',
  describe: 'Write everything of the platform into one file, while it runs: functions, documents, calls, secrets, keys',
  examples: [
    ['backup', 'ryo-faas-PROJECT-TIME.tar.gz in this folder'],
    ['backup /backups/shop.tar.gz --force --server shop', 'of a server, onto this machine'],
    ['backup - | ssh elsewhere "cat > shop.tar.gz"', 'to another program'],
  ],
  options: yargs =>
    yargs
      .positional('file', { type: 'string', describe: 'To write; - is standard output' })
      .option('force', { type: 'boolean', default: false, describe: 'Replace the file if it exists' }),
  run: async (args, context) => {
    const { output } = context
    const client = await context.connect()
    const given = fileFrom(args['file'])
    const file = given === PIPE ? PIPE : resolve(context.cwd, given ?? (await defaultName(context)))
    if (file !== PIPE && args['force'] !== true && (await isThere(file))) {
      throw new RyoFaasError('INVALID_OPTION', `${file} is there already`, { hint: 'Add --force to replace it.' })
    }
    const progress = output.progress('taking the backup')
    try {
      const content = await client.download('backup', context.signal)
      progress.update(`writing ${file === PIPE ? 'it' : file}`)
      const facts = await context.keepBackup(content, file === PIPE ? output.bytes : file)
      progress.stop()
      if (file === PIPE) return output.note(summary(facts))
      output.value({ file, ...facts })
      output.line(`wrote ${file}`)
      output.line(summary(facts))
    } finally {
      progress.stop()
    }
  },
}

export const restore: Command = {
  usage: 'restore <file>',
  describe: 'Put a backup into RYO_FAAS_HOME, while no platform runs there; or into a server, which is stopped for it',
  examples: [
    ['restore shop.tar.gz', 'into an empty home, of this or another machine; then: startFaas'],
    ['restore shop.tar.gz --replace', 'what is there now is moved aside and kept'],
    ['restore shop.tar.gz --server shop', 'stops the platform there, replaces what it has, and starts it again'],
  ],
  destroys: () => 'Stop the platform, and replace everything that it has,',
  options: yargs =>
    yargs
      .positional('file', { type: 'string', demandOption: true, describe: 'That backup wrote; - is standard input' })
      .option('replace', { type: 'boolean', default: false, describe: 'Move aside what is in the home' })
      .option('digest', { type: 'string', nargs: 1, describe: 'The backup must have it, as backup printed it' }),
  run: async (args, context) => {
    const { output } = context
    const file = fileFrom(args['file'])!
    const content = file === PIPE ? context.stdin : createReadStream(await readable(resolve(context.cwd, file)))
    const digest = args['digest'] as string | undefined
    const { server } = context
    if (server !== undefined) {
      const progress = output.progress(`looking at ${server}`)
      const report = (doing: string) => progress.update(doing)
      const facts = await restoreThere(server, { content, digest, report }, context).finally(() => progress.stop())
      output.value({ server, ...facts })
      output.line(`restored ${server}, which runs again`)
      output.line(summary(facts))
      if (facts.before !== undefined) output.line(`what was there before is in ${facts.before}, there`)
      return
    }
    const progress = output.progress(`unpacking into ${context.home}`)
    const facts = await context
      .restoreHome(content, { replace: args['replace'] === true, digest })
      .finally(() => progress.stop())
    output.value({ home: context.home, ...facts })
    output.line(`restored ${context.home}`)
    output.line(summary(facts))
    if (facts.before !== undefined) output.line(`what was there before is in ${facts.before}`)
    output.note(`Start it: ryo-faas startFaas${facts.flags.map(flag => ` ${flag}`).join('')}`)
  },
}

function summary({ createdAt, version, store, nats, digest, bytes }: BackupFacts): string {
  const documents = store.kind === 'embedded' ? `documents at event ${store.sequence}` : NOT_IN_IT
  const calls = nats === 'elsewhere' ? `; ${NO_CALLS}` : ''
  return [`${createdAt}, ryo-faas ${version}, ${formatBytes(bytes)}, ${documents}${calls}`, `digest ${digest}`].join(
    '\n',
  )
}

const NO_CALLS = 'without calls and events on their way: the NATS of --nats-url has them'
const NOT_IN_IT = 'without the documents: PostgreSQL has them, so back them up with pg_dump, after this'

async function defaultName(context: Context): Promise<string> {
  const { project } = await (await context.connect()).call('platform', {})
  return `ryo-faas-${project}-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.tar.gz`
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** @throws RyoFaasError INVALID_OPTION */
async function readable(path: string): Promise<string> {
  try {
    await access(path)
    return path
  } catch (error) {
    throw new RyoFaasError('INVALID_OPTION', `${path} cannot be read`, { cause: error })
  }
}
