import type { Command } from '../context.ts'
import { runningPlatform } from './start-faas.ts'

export const env: Command = {
  usage: 'env',
  describe: 'Show the configuration and how to change it',
  run: async (_, context) => {
    const { output, home, platformFlags, environment } = context
    const platform = await runningPlatform(context)
    const options = context.resolvedOptions()
    output.value({ home, running: platform !== undefined, options, ...(platform && { platform }) })
    output.line(`home     ${home}${environment['RYO_FAAS_HOME'] ? '' : '  (set RYO_FAAS_HOME to change it)'}`)
    output.line(`version  ${context.version}`)
    output.line(
      `running  ${platform ? `${platform.proxyUrl} (project ${platform.project}, ${platform.engine})` : 'no'}`,
    )
    output.line()
    output.table(
      ['VARIABLE', 'NEXT START USES', ''],
      platformFlags.map(({ name, variable, help }) => [variable, String(options[name]), output.colors.dim(help)]),
    )
  },
}
