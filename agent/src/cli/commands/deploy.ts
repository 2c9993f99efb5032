import { watch } from 'chokidar'
import { dirname, sep } from 'node:path'
import { once } from 'node:events'
import {
  RyoFaasError,
  type DeployEvent,
  type DeployStep,
  type ErrorBody,
  type StartFrom,
} from '../../contract/index.ts'
import type { UploadProgress } from '../../client/index.ts'
import type { Command, Context } from '../context.ts'
import { formatBytes, formatDuration } from '../output.ts'
import { startFrom } from '../start-from.ts'
import { deployFilePath, ENV_OPTION, FILE_ARGUMENT, ONLY_OPTION, settingsOf } from './deploy-file.ts'
import { artefactPath, buildArtefact, deployArtefact } from './artefact.ts'
import { explain, explainBoot } from './explain.ts'
import { Reported } from './reported.ts'
import { ensureRunning } from './start-faas.ts'

const SETTLE_MS = 50
/** File timestamps may be this coarse. */
const FILE_TIME_MS = 50

export const deploy: Command = {
  usage: 'deploy [file]',
  describe:
    'Check, build and start the functions of deploy.json, then switch traffic to them; starts the platform if needed',
  examples: [
    ['deploy', 'all functions of ./deploy.json'],
    [
      'deploy --build-only --out app.ryo',
      'build one file, without a platform; deploy app.ryo --env staging deploys it',
    ],
    ['deploy shop --only checkout --watch', 'one function of the folder shop, again on every save'],
  ],
  options: yargs =>
    yargs
      .positional('file', FILE_ARGUMENT)
      .option('only', ONLY_OPTION)
      .option('env', ENV_OPTION)
      .option('from', {
        type: 'string',
        describe: 'First event for its triggers: sequence or ISO time (default: new triggers from now, others resume)',
      })
      .option('debug', {
        type: 'boolean',
        default: false,
        describe: 'Attachable by a debugger (one instance, no timeout)',
      })
      .option('replace', {
        type: 'boolean',
        default: false,
        describe: 'Replace functions of other projects that have the same name',
      })
      .option('explain', {
        type: 'boolean',
        default: false,
        describe: 'Show what was bundled, what was not and why, the sizes, and where the time of the start went',
      })
      .option('build-only', { type: 'boolean', default: false, describe: 'Stop after building' })
      .option('out', {
        type: 'string',
        describe: 'With --build-only: write what was built to this file (.ryo), to be deployed later and elsewhere',
      })
      .option('digest', {
        type: 'string',
        describe: 'Of an artefact (.ryo): deploy it only if it has this digest, which its build printed',
      })
      .option('watch', { type: 'boolean', default: false, describe: 'Redeploy whenever a file changes' }),
  run: async (args, context) => {
    const artefact = await artefactPath(context.cwd, args['file'])
    refuseUnfitting(args, artefact !== undefined)
    const file = artefact ?? (await deployFilePath(context.cwd, args['file']))
    const body = {
      file,
      environment: args['env'] as string | undefined,
      buildOnly: args['buildOnly'] === true,
      debug: args['debug'] === true,
      replace: args['replace'] === true,
      explain: args['explain'] === true,
      ...(args['only'] !== undefined && { only: args['only'] as string[] }),
      ...(args['from'] !== undefined && { from: startFrom(args['from'] as string) }),
    }
    if (args['out'] !== undefined) return buildArtefact({ ...body, out: args['out'] as string }, context)
    await ensureRunning(context)
    if (artefact !== undefined) {
      const settings = { ...body, only: body.only, digest: args['digest'] as string | undefined }
      const { error } = await follow(
        onProgress => deployArtefact(artefact, settings, { context, onProgress }),
        body,
        context,
      )
      if (error) throw error
      return
    }
    if (args['watch']) return watchAndDeploy(body, context)
    const outcome = await deployOnce(body, context)
    if (outcome.error) throw outcome.error
  },
}

interface DeployBody {
  file: string
  buildOnly: boolean
  debug: boolean
  replace: boolean
  explain: boolean
  only?: string[]
  from?: StartFrom
  environment: string | undefined
}

type Deployed = Extract<DeployEvent, { type: 'deployed' }>

interface Outcome {
  folders: string[]
  deployed: Deployed[]
  error: RyoFaasError | undefined
}

/** What an artefact has no use for, and what only it has. */
function refuseUnfitting(args: Record<string, unknown>, isArtefact: boolean): void {
  const refuse = (message: string, hint?: string) => {
    throw new RyoFaasError('INVALID_OPTION', message, { ...(hint !== undefined && { hint }) })
  }
  if (args['out'] !== undefined && args['buildOnly'] !== true) {
    refuse('--out writes what was built and deploys nothing', 'Add --build-only.')
  }
  if (args['out'] !== undefined && args['env'] !== undefined) {
    refuse('--env is decided when an artefact is deployed: the same one serves every environment')
  }
  if (!isArtefact && args['digest'] !== undefined) refuse('--digest is for artefacts (.ryo)')
  if (!isArtefact) return
  if (args['watch'] === true) refuse('--watch is for a deploy.json: an artefact does not change')
  if (args['buildOnly'] === true) refuse('--build-only is for a deploy.json: an artefact is built')
}

async function deployOnce(body: DeployBody, context: Context): Promise<Outcome> {
  const client = await context.connect()
  const settings = await settingsOf(body.file, { env: body.environment }, context)
  const events = () => client.stream('deploy', { body: { ...body, ...settings } }, context.signal)
  return follow(events, body, context)
}

/** Prints what happens. Returns the failure instead of throwing it, because `--watch` continues after one. */
async function follow(
  open: (onProgress: (progress: UploadProgress) => void) => AsyncIterable<DeployEvent>,
  body: DeployBody,
  context: Context,
): Promise<Outcome> {
  const { output, signal } = context
  const { green, red, dim, bold } = output.colors
  const steps = new Map<string, DeployStep>()
  const deployed: Deployed[] = []
  const failed: Extract<DeployEvent, { type: 'failed' }>[] = []
  const bundled: Extract<DeployEvent, { type: 'bundled' }>[] = []
  const booted: Extract<DeployEvent, { type: 'booted' }>[] = []
  let folders: string[] = []
  let names: string[] = []
  let finished: Extract<DeployEvent, { type: 'finished' }> | undefined
  const interactive = output.json ? undefined : output.progress(`deploying ${body.file}`)
  const print = (text: string) => {
    interactive?.stop()
    output.line(text)
  }
  const uploading = ({ sentBytes, totalBytes }: UploadProgress) => {
    if (totalBytes > 0) interactive?.update(`uploading ${formatBytes(sentBytes)} of ${formatBytes(totalBytes)}`)
  }
  for await (const event of open(uploading)) {
    switch (event.type) {
      case 'planned':
        folders = event.folders
        names = event.names
        break
      case 'step':
        steps.set(event.name, event.step)
        break
      case 'bundled':
        bundled.push(event)
        interactive?.stop()
        explain(event, output)
        break
      case 'booted':
        booted.push(event)
        interactive?.stop()
        explainBoot(event, output)
        break
      case 'note':
        output.note(dim(`${event.name}: ${event.message}`))
        break
      case 'deployed':
        deployed.push(event)
        folders = [...folders, ...(event.folders ?? [])]
        print(
          `${green('✔')} ${bold(event.name)} v${event.version} ${event.outcome} in ${formatDuration(event.durationMs)}`,
        )
        break
      case 'failed':
        failed.push(event)
        folders = [...folders, ...foldersOf(event.error)]
        print(`${red('✖')} ${bold(event.name)} failed while ${steps.get(event.name) ?? 'waiting'}`)
        break
      case 'finished':
        finished = event
        if (event.error) folders = [...folders, ...foldersOf(event.error)]
    }
  }
  interactive?.stop()
  if (signal.aborted) throw new RyoFaasError('CANCELLED', 'cancelled; whatever is not live yet is undone')
  output.value({
    deployed,
    failed,
    ...(body.explain && {
      bundled: bundled.map(({ name, facts }) => ({ name, ...facts })),
      booted: booted.map(({ name, boot }) => ({ name, ...boot })),
    }),
    error: finished?.error,
  })
  if (deployed.length > 0 && !body.buildOnly) {
    output.line()
    // In the order of the file, not in the order they became ready.
    deployed.sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name))
    for (const { name, url, debugPort } of deployed) {
      output.line(`  ${name}  ${url}${debugPort === undefined ? '' : `  debugger at 127.0.0.1:${debugPort}`}`)
    }
  }
  return { folders, deployed, error: failureOf(finished, failed, output.json) }
}

/** Where its problems are: outside the packages too, as in a workspace. */
function foldersOf({ problems = [] }: ErrorBody): string[] {
  return problems.map(({ file }) => dirname(file))
}

function failureOf(
  finished: Extract<DeployEvent, { type: 'finished' }> | undefined,
  failed: Extract<DeployEvent, { type: 'failed' }>[],
  json: boolean,
): RyoFaasError | undefined {
  if (!finished)
    return new RyoFaasError('NOT_RUNNING', 'the agent stopped during the deploy', {
      hint: 'Deploy again: it resumes where it left off.',
    })
  if (finished.error) return new Reported(RyoFaasError.fromBody(finished.error), json)
  const [first, ...others] = failed
  if (!first) return undefined
  const error = RyoFaasError.fromBody(first.error)
  if (others.length === 0) return new Reported(error, json)
  const rest = others.map(({ error: { message } }) => message)
  return new Reported(new RyoFaasError(error.code, [error.message, ...rest].join('\n      '), error), json)
}

/**
 * Deploys, and again after every change, until Ctrl-C.
 * @param onDeployed called with what each deploy made live
 */
export async function watchAndDeploy(
  body: DeployBody,
  context: Context,
  onDeployed: (deployed: readonly Deployed[]) => void = () => undefined,
): Promise<void> {
  const { output, signal } = context
  const run = async (): Promise<string[]> => {
    try {
      const { folders, deployed, error } = await deployOnce(body, context)
      onDeployed(deployed)
      if (error) output.error(error)
      return folders
    } catch (error) {
      if (signal.aborted) return []
      output.error(RyoFaasError.from(error))
      return []
    }
  }
  const begin = Date.now() - FILE_TIME_MS
  const first = await run()
  if (signal.aborted) return
  const roots = new Set(first.length > 0 ? first : [dirname(body.file)])
  const watcher = watch([body.file, ...roots], {
    alwaysStat: true,
    ignored: path => {
      const root = [...roots].find(folder => path.startsWith(folder + sep)) ?? path
      return /[\\/](node_modules|\.(?!env)[^\\/]+)([\\/]|$)/.test(path.slice(root.length))
    },
  })
  /** Folders that a later deploy is made from. */
  const later: string[] = []
  const runAgain = async () => {
    for (const folder of await run()) {
      if (roots.has(folder)) continue
      roots.add(folder)
      later.push(folder)
      watcher.add(folder)
    }
  }
  let timer: NodeJS.Timeout | undefined
  let tail = Promise.resolve<unknown>(undefined)
  let isReady = false
  watcher.on('all', (event, path, stats) => {
    // Existing files are reported as added; only those saved since the deploy began may be new to it.
    const mayBeOld = !isReady || later.some(folder => path.startsWith(folder))
    if (mayBeOld && event.startsWith('add') && (stats?.mtimeMs ?? 0) < begin) return
    clearTimeout(timer)
    timer = setTimeout(() => (tail = tail.then(runAgain)), SETTLE_MS)
  })
  // For example too many files for the system: the rest is still watched.
  watcher.on('error', error => output.error(RyoFaasError.from(error)))
  await once(watcher, 'ready', { signal }).catch(() => undefined)
  isReady = true
  output.note('Watching for changes. Press Ctrl-C to stop.')
  if (!signal.aborted) await once(signal, 'abort')
  clearTimeout(timer)
  await watcher.close()
  await tail
}
