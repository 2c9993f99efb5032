import { RyoFaasError } from '../../contract/index.ts'
import type { Command, Context, Finding } from '../context.ts'
import { countOf } from '../output.ts'
import { Reported } from './reported.ts'

export const doctor: Command = {
  usage: 'doctor',
  describe: 'Examine this machine: Node, Docker, nats-server, ports, disk, the home and what was left behind',
  place: 'here',
  run: async (_, context) => {
    const progress = context.output.progress('looking around')
    printFindings(await context.examine().finally(() => progress.stop()), context)
  },
}

/** @throws RyoFaasError INVALID_OPTION if something is wrong: the exit code tells */
export function printFindings(findings: readonly Finding[], { output }: Pick<Context, 'output'>): void {
  output.value({ findings })
  const { green, yellow, red, dim } = output.colors
  const marks: Record<Finding['status'], string> = { ok: green('ok  '), warn: yellow('warn'), fail: red('fail') }
  const longest = Math.max(...findings.map(({ name }) => name.length))
  for (const { name, status, found, fix } of findings) {
    output.line(`${marks[status]}  ${name.padEnd(longest)}  ${found}`)
    if (fix !== undefined) output.line(`${' '.repeat(longest + 8)}${dim(fix)}`)
  }
  const failed = findings.filter(({ status }) => status === 'fail').length
  if (failed === 0) return
  throw new Reported(new RyoFaasError('INVALID_OPTION', `${countOf(failed, 'problem')} found`), output.json)
}
