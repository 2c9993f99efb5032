/**
 * Building on this machine for another one, by the agent that runs here: its compiler and bundler are warm. Without one,
 * the command line builds by itself.
 */
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { RyoFaasError, type BuildProgress } from '../contract/index.ts'
import type { AgentClient, ApiInput } from './agent-client.ts'
import type { BuiltPackages } from './deploy-package.ts'

/**
 * @param client of the agent of this machine, whose files this process can read
 * @param emit is told of each step
 * @throws RyoFaasError DEPLOY_FILE_INVALID, DEPLOYMENT_NOT_FOUND, CHECK_FAILED, BUILD_FAILED, PACKAGE_INVALID, NOT_RUNNING,
 * CANCELLED
 */
export async function buildWithAgent(
  client: AgentClient,
  request: ApiInput<'build'>['body'],
  { emit, signal }: { emit: (event: BuildProgress) => void; signal: AbortSignal },
): Promise<BuiltPackages> {
  for await (const event of client.stream('build', { body: request }, signal)) {
    if (event.type === 'failed') throw RyoFaasError.fromBody(event.error)
    if (event.type !== 'built') {
      emit(event)
      continue
    }
    const { project, functions, folder } = event
    return {
      ...{ project, functions, file: request.file },
      open: sha256 => createReadStream(join(folder, sha256)),
      // The agent removes them in time.
      close: async () => undefined,
    }
  }
  if (signal.aborted) throw new RyoFaasError('CANCELLED', 'cancelled')
  throw new RyoFaasError('NOT_RUNNING', 'the agent stopped during the build', { hint: 'Try again.' })
}
