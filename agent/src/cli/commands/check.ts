import { formatProblem, RyoFaasError } from '../../contract/index.ts'
import type { Command } from '../context.ts'
import { countOf, formatDuration } from '../output.ts'
import { Reported } from './reported.ts'
import { runningPlatform } from './start-faas.ts'
import { deployFilePath, ENV_OPTION, FILE_ARGUMENT, ONLY_OPTION, settingsOf } from './deploy-file.ts'

export const check: Command = {
  usage: 'check [file]',
  describe: 'Check deploy.json and the handler signatures without deploying',
  place: 'here',
  options: yargs => yargs.positional('file', FILE_ARGUMENT).option('only', ONLY_OPTION).option('env', ENV_OPTION),
  run: async (args, context) => {
    const { output } = context
    const file = await deployFilePath(context.cwd, args['file'])
    const only = args['only'] as string[] | undefined
    const request = { file, ...(only && { only }), ...(await settingsOf(file, args, context)) }
    // A platform has a warm compiler; without one the check takes a few seconds longer.
    const running = await runningPlatform(context)
    const result =
      running?.phase.kind === 'ready' && running.cluster?.role !== 'stands-by'
        ? await (await context.connect()).call('check', { body: request }, context.signal)
        : await context.checkHere(request)
    output.value(result)
    for (const problem of result.problems) output.line(formatProblem(problem))
    if (result.problems.length > 0) {
      throw new Reported(
        new RyoFaasError('CHECK_FAILED', `${countOf(result.problems.length, 'problem')} found`),
        output.json,
      )
    }
    for (const { name, form } of result.handlers) if (form !== undefined) output.line(`${name}: ${form}`)
    output.line(`${countOf(result.checked, 'handler')} OK (${formatDuration(result.durationMs)})`)
  },
}
