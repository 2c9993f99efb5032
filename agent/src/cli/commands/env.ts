import { readFile } from 'node:fs/promises'
import { homePaths } from '../../client/index.ts'
import { RyoFaasError } from '../../contract/index.ts'
import type { Command } from '../context.ts'
import { printEngine } from './platform-table.ts'
import { runningPlatform } from './start-faas.ts'

export const env: Command = {
  usage: 'env',
  describe: 'Show the configuration and how to change it',
  place: 'here',
  options: yargs =>
    yargs.option('secrets', { type: 'boolean', default: false, describe: 'Also show the secret that signs callbacks' }),
  run: async (args, context) => {
    const { output, home, environment } = context
    const callbackSecret = args['secrets'] ? await readSecret(home) : undefined
    const platform = await runningPlatform(context)
    const [options, flags] = await Promise.all([context.resolvedOptions(), context.platformFlags()])
    output.value({
      home,
      running: platform !== undefined,
      options,
      ...(platform && { platform }),
      ...(callbackSecret !== undefined && { callbackSecret }),
    })
    output.line(`home     ${home}${environment['RYO_FAAS_HOME'] ? '' : '  (set RYO_FAAS_HOME to change it)'}`)
    output.line(`version  ${context.version}`)
    output.line(`running  ${platform ? `${platform.proxyUrl} (project ${platform.project})` : 'no'}`)
    if (platform) printEngine(platform, output)
    if (callbackSecret !== undefined)
      output.line(`secret   ${callbackSecret}  (signs callbacks, see standardwebhooks.com)`)
    output.line()
    output.table(
      ['VARIABLE', 'VALUE AT NEXT START', ''],
      flags.map(({ name, variable, help }) => [variable, String(options[name]), output.colors.dim(help)]),
      [''],
    )
  },
}

async function readSecret(home: string): Promise<string> {
  try {
    return (await readFile(homePaths(home).callbackSecret, 'utf8')).trim()
  } catch (error) {
    throw new RyoFaasError('NOT_RUNNING', 'no secret yet: it is created at the first start', { cause: error })
  }
}
