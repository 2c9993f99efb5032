/**
 * Everything that one needs while writing functions, in one command: a project if there is none, the platform if none
 * is running, a deploy on every save, the logs of what is deployed. Ctrl-C stops what it started and nothing else.
 */
import { readdir } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { AgentClient } from '../../client/index.ts'
import type { Command, Context } from '../context.ts'
import { watchAndDeploy } from './deploy.ts'
import { deployFilePath, ENV_OPTION, FILE_ARGUMENT, ONLY_OPTION } from './deploy-file.ts'
import { createProject } from './init.ts'
import { printLogs } from './logs.ts'
import { ensureRunning, isAbsent } from './start-faas.ts'
import { stopPlatform } from './stop-faas.ts'

export const dev: Command = {
  usage: 'dev [file]',
  describe: 'Develop: start what is needed, redeploy on every save, show logs and URLs; Ctrl-C ends it',
  place: 'here',
  examples: [
    ['dev', 'in the folder of deploy.json; in an empty folder it creates a project first'],
    ['dev shop --open', 'and open the first function in the browser'],
    ['dev --clock', 'with a clock for schedules that "ryo-faas clock forward 1h" sets forward'],
  ],
  endsItself: true,
  options: yargs =>
    yargs
      .positional('file', FILE_ARGUMENT)
      .option('only', ONLY_OPTION)
      .option('env', ENV_OPTION)
      .option('clock', {
        type: 'string',
        describe: 'Schedules follow a clock of tests: it runs from now on, or stands still at this ISO time',
      })
      .option('open', { type: 'boolean', default: false, describe: 'Open the first function in the browser' }),
  run: async (args, context) => {
    const { output } = context
    const file = await deployFilePath(context.cwd, args['file'])
    if (basename(file) === 'deploy.json' && (await isEmpty(dirname(file)))) {
      const { files } = await createProject(dirname(file), context)
      output.note(`Created ${files.join(', ')}`)
    }
    const isOurs = await isAbsent(context)
    try {
      const clock = args['clock'] as string | undefined
      await ensureRunning(context, clock === undefined ? undefined : { clock })
      if (clock !== undefined) {
        const { now } = await (await context.connect()).call('clock', {})
        output.note(`Schedules follow a clock of tests, now ${now}: ryo-faas clock forward 1h`)
      }
      await watch(file, args, context)
    } finally {
      if (isOurs) await stopOurs(context)
    }
  },
}

async function watch(file: string, args: Record<string, unknown>, context: Context): Promise<void> {
  const only = args['only'] as string[] | undefined
  const environment = args['env'] as string | undefined
  const body = {
    file,
    buildOnly: false,
    debug: false,
    replace: false,
    explain: false,
    environment,
    ...(only && { only }),
  }
  const logs = new Map<string, Promise<void>>()
  let isToOpen = args['open'] === true
  await watchAndDeploy(body, context, deployed => {
    for (const { name, url } of deployed) {
      if (isToOpen) void context.openUrl(url)
      isToOpen = false
      if (!logs.has(name)) logs.set(name, follow(name, context))
    }
  })
  await Promise.all(logs.values())
}

/** After Ctrl-C, which cancelled everything that uses the context's own signal. */
async function stopOurs(context: Context): Promise<void> {
  const { signal } = new AbortController()
  const alive = { ...context, signal, connect: () => AgentClient.connect(context.home, { signal }) }
  // It may be in the middle of its start, where nothing can be told to stop yet.
  if (context.signal.aborted) await ensureRunning(alive)
  if (await isAbsent(alive)) return
  context.output.note('Stopping the platform that this command started; data is kept.')
  await stopPlatform(alive)
}

/** What begins with a dot, such as `.git`, is not a project. A folder that does not exist is empty. */
async function isEmpty(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch(() => [] as string[])
  return names.every(name => name.startsWith('.'))
}

/** Across redeploys and restarts of the function; a function that was stopped has no more logs. */
async function follow(name: string, context: Context): Promise<void> {
  try {
    await printLogs([name], { follow: true, tail: 0 }, context)
  } catch (error) {
    if (!context.signal.aborted) context.output.note(`logs of ${name}: ${(error as Error).message}`)
  }
}
