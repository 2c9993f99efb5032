/** Deploying to a server: the code is checked and bundled on this machine, and what the server lacks of it is sent. */
import { PassThrough } from 'node:stream'
import {
  AgentClient,
  buildWithAgent,
  deployPackage,
  type BuiltPackages,
  type UploadProgress,
} from '../../client/index.ts'
import { RyoFaasError, type BuildProgress, type DeployEvent } from '../../contract/index.ts'
import type { BuildHere, Context } from '../context.ts'
import type { DeployBody } from './run-deploy.ts'

export interface ElsewhereRun {
  context: Context
  onProgress: (progress: UploadProgress) => void
}

/** Yields what a deploy on this machine would, when it happens. */
export async function* deployElsewhere(
  { debug, buildOnly, explain, replace, from, ...request }: DeployBody & { variables: Record<string, string> },
  { context, onProgress }: ElsewhereRun,
): AsyncGenerator<DeployEvent> {
  const { signal } = context
  const { file, only, variables, environment } = request
  const asked = { file, variables, ...(only && { only }), ...(environment !== undefined && { environment }) }
  const begin = performance.now()
  const told = new PassThrough({ objectMode: true })
  const building = build(asked, { context, emit: event => void told.write(event) }).finally(() => told.end())
  // Its failure is met below, when all that it told before has been passed on.
  building.catch(() => undefined)
  try {
    for await (const event of told as AsyncIterable<BuildProgress>) {
      if (explain || event.type !== 'bundled') yield event
    }
    const built = await building
    if (buildOnly) yield { type: 'finished', deployed: 0, failed: 0, durationMs: performance.now() - begin }
    else {
      const flags = { debug, explain, replace, ...(from !== undefined && { from }) }
      const events = deployPackage(await context.connect(), built, { ...flags, onProgress, signal })
      for await (const event of throughTunnel(events, context)) {
        // What was planned, and what to watch, is known since the build.
        if (event.type !== 'planned') yield event
      }
    }
  } finally {
    await building.then(
      built => built.close(),
      () => undefined,
    )
  }
}

/** With the debugger's port of the server on this machine. */
export async function* throughTunnel(
  events: AsyncIterable<DeployEvent>,
  { forward }: Pick<Context, 'forward'>,
): AsyncGenerator<DeployEvent> {
  for await (const event of events) {
    if (event.type !== 'deployed' || event.debugPort === undefined) {
      yield event
      continue
    }
    // Its folders are there.
    const { debugPaths: _, debugPort, ...rest } = event
    yield { ...rest, debugPort: await forward(debugPort) }
  }
}

/** By the agent of this machine, whose compiler is warm; if none runs, by this process. */
async function build(
  asked: BuildHere,
  { context, emit }: { context: Context; emit: (event: BuildProgress) => void },
): Promise<BuiltPackages> {
  const { home, signal } = context
  try {
    return await buildWithAgent(await AgentClient.connect(home, { signal }), asked, { emit, signal })
  } catch (error) {
    if (!(error instanceof RyoFaasError && ['NOT_RUNNING', 'STANDS_BY'].includes(error.code))) throw error
    return context.buildHere(asked, { emit, signal })
  }
}
