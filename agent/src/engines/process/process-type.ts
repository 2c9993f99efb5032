/** Child processes, which run anywhere, without isolation. */
import { RyoFaasError } from '../../contract/index.ts'
import type { Detection, EngineType } from '../engine-type.ts'
import { poolSizeOf } from '../pool/pool-size.ts'

/** The part of our environment that functions get: nothing of our own. */
const PASSED_ON = ['PATH', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'TEMP', 'TMP', 'SystemRoot', 'NODE_EXTRA_CA_CERTS']

export const PROCESS: EngineType = {
  kind: 'process',
  help: 'process (no isolation)',

  async detect({ egress }): Promise<Detection> {
    if (egress === 'internet') return { kind: 'usable' }
    const hint = 'This needs Docker on this Linux machine. Omit --egress to let functions reach the Internet.'
    const why = new RyoFaasError('INVALID_OPTION', '--egress none cannot be enforced with --engine process', { hint })
    return { kind: 'unusable', why }
  },

  async create(context, why) {
    const { project, home, nodePath, environment } = context
    const { ProcessEngine } = await import('./process-engine.ts')
    const baseEnv = Object.fromEntries(
      PASSED_ON.flatMap(name => (environment[name] === undefined ? [] : [[name, environment[name]]])),
    ) as Record<string, string>
    return new ProcessEngine({
      project,
      home,
      nodePath,
      environment,
      baseEnv,
      note: `processes (${why})`,
      pool: poolSizeOf(context),
    })
  },
}
