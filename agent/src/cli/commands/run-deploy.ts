/** One deploy from the command line: what the agent says of it, as people read it. Loads no schemas. */
import { dirname } from 'node:path'
import type { UploadProgress } from '../../client/index.ts'
import {
  RyoFaasError,
  type DeployEvent,
  type DeployStep,
  type ErrorBody,
  type StartFrom,
} from '../../contract/index.ts'
import { formatBytes, formatDuration, type Output } from '../output.ts'
import { settingsOf } from './deploy-file.ts'
import { explain, explainBoot } from './explain.ts'
import { Reported } from './reported.ts'

export interface DeployBody {
  file: string
  buildOnly: boolean
  debug: boolean
  replace: boolean
  explain: boolean
  only?: string[]
  from?: StartFrom
  environment: string | undefined
}

export type Deployed = Extract<DeployEvent, { type: 'deployed' }>

interface DeployOutcome {
  folders: string[]
  deployed: Deployed[]
  error: RyoFaasError | undefined
}

export interface DeployContext {
  output: Output
  environment: NodeJS.ProcessEnv
  /** Aborts on Ctrl-C. */
  signal: AbortSignal
  /** Asks the agent, and tells what happens until everything is done. */
  deploy(
    request: DeployBody & { variables: Record<string, string> },
    onProgress: (progress: UploadProgress) => void,
  ): AsyncIterable<DeployEvent>
}

/** Returns the failure instead of throwing it, because `--watch` continues after one. */
export async function deployOnce(body: DeployBody, context: DeployContext): Promise<DeployOutcome> {
  const settings = await settingsOf(body.file, { env: body.environment }, context)
  return reportDeploy(onProgress => context.deploy({ ...body, ...settings }, onProgress), body, context)
}

/** Prints what happens. */
export async function reportDeploy(
  open: (onProgress: (progress: UploadProgress) => void) => AsyncIterable<DeployEvent>,
  body: Pick<DeployBody, 'file' | 'explain' | 'buildOnly'>,
  context: Pick<DeployContext, 'output' | 'signal'>,
): Promise<DeployOutcome> {
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
        interactive?.show(`${event.step} ${event.name}`)
        break
      case 'bundled':
        bundled.push(event)
        interactive?.stop()
        explain(event, output)
        break
      case 'waiting':
        interactive?.update(`waiting: ${event.why}`)
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
