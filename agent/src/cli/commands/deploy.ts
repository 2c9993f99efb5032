import { watch } from 'chokidar'
import { dirname, sep } from 'node:path'
import { once } from 'node:events'
import { RyoFaasError } from '../../contract/index.ts'
import type { Command, Context } from '../context.ts'
import { startFrom } from '../start-from.ts'
import { artefactPath, buildArtefact, deployArtefact } from './artefact.ts'
import { deployElsewhere } from './deploy-elsewhere.ts'
import { deployFilePath, ENV_OPTION, FILE_ARGUMENT, ONLY_OPTION } from './deploy-file.ts'
import { deployOnce, reportDeploy, type DeployBody, type DeployContext, type Deployed } from './run-deploy.ts'
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
    if (context.server === undefined) await ensureRunning(context)
    if (artefact !== undefined) {
      const settings = { ...body, only: body.only, digest: args['digest'] as string | undefined }
      const { error } = await reportDeploy(
        onProgress => deployArtefact(artefact, settings, { context, onProgress }),
        body,
        context,
      )
      if (error) throw error
      return
    }
    if (args['watch']) return watchAndDeploy(body, context)
    const outcome = await deployOnce(body, withAgent(context))
    if (outcome.error) throw outcome.error
  },
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

function withAgent(context: Context): DeployContext {
  if (context.server !== undefined) {
    return { ...context, deploy: (body, onProgress) => deployElsewhere(body, { context, onProgress }) }
  }
  return {
    ...context,
    deploy: async function* (body, onProgress) {
      try {
        yield* (await context.connect()).stream('deploy', { body }, context.signal)
      } catch (error) {
        // The agent that leads is on another machine.
        if (!(error instanceof RyoFaasError && error.code === 'STANDS_BY')) throw error
        yield* deployElsewhere(body, { context, onProgress })
      }
    },
  }
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
      const { folders, deployed, error } = await deployOnce(body, withAgent(context))
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
