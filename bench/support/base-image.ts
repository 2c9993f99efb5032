/** The base image of our functions under the bench's own name, so that no stopping platform removes it. */
import Docker from 'dockerode'
import { ensureBaseImage } from '../../agent/src/engines/docker/base-image.ts'
import { functionNode } from './places.ts'
import { run } from './programs.ts'
import type { Stage } from './stage.ts'

export async function ownBaseImage(stage: Stage, ref: string): Promise<void> {
  const base = await ensureBaseImage(new Docker(), { kind: 'assemble', nodePath: functionNode }, () => undefined)
  await run('docker', ['tag', base, ref])
  stage.onEnd(() => run('docker', ['image', 'rm', ref]))
}
