/** Building functions into one file, and deploying such a file. */
import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { deployPackage, type UploadProgress } from '../../client/index.ts'
import { digestOf, RyoFaasError, type BuildProgress, type DeployEvent, type StartFrom } from '../../contract/index.ts'
import type { Context } from '../context.ts'
import { countOf, formatBytes, formatDuration } from '../output.ts'
import { throughTunnel } from './deploy-elsewhere.ts'
import { ARTEFACT_ENDING } from './deploy-file.ts'
import { explain } from './explain.ts'

export interface ArtefactDeploy {
  environment: string | undefined
  only: string[] | undefined
  /** It must have this digest. */
  digest: string | undefined
  debug: boolean
  replace: boolean
  explain: boolean
  from?: StartFrom
}

/** Absolute path, if the argument names an artefact; a folder may have such a name too. */
export async function artefactPath(cwd: string, argument: unknown): Promise<string | undefined> {
  const path = resolve(cwd, String(argument))
  if (!path.endsWith(ARTEFACT_ENDING)) return undefined
  return (await stat(path).catch(() => undefined))?.isDirectory() === true ? undefined : path
}

/** Checks and bundles here, without a platform, and writes the result. */
export async function buildArtefact(
  request: { file: string; only?: string[]; explain: boolean; out: string },
  context: Context,
): Promise<void> {
  const { output, cwd, signal } = context
  const out = resolve(cwd, request.out)
  if (!out.endsWith(ARTEFACT_ENDING)) {
    throw new RyoFaasError('INVALID_OPTION', `--out must end in ${ARTEFACT_ENDING}: ${request.out}`)
  }
  const begin = performance.now()
  const progress = output.json ? undefined : output.progress(`building ${request.file}`)
  const notes: string[] = []
  const emit = (event: BuildProgress) => {
    if (event.type === 'step') progress?.update(`${event.name}: ${event.step}`)
    if (event.type === 'note') notes.push(`${event.name}: ${event.message}`)
    if (event.type !== 'bundled' || !request.explain) return
    progress?.stop()
    explain(event, output)
  }
  const { file, only } = request
  const built = await context
    .buildHere({ file, ...(only && { only }), isPortable: true }, { emit, signal })
    .finally(() => progress?.stop())
  try {
    const { digest, sizeBytes } = await context.writeArtefact(built, out)
    for (const note of notes) output.note(output.colors.dim(note))
    const functions = built.functions.map(({ manifest }) => ({ name: manifest.name, package: digestOf(manifest) }))
    output.value({ artefact: out, digest, sizeBytes, functions })
    const { green, bold } = output.colors
    for (const { name, package: own } of functions) output.line(`${green('✔')} ${bold(name)} ${own.slice(0, 12)}`)
    output.line()
    const took = formatDuration(performance.now() - begin)
    output.line(`${out}: ${countOf(functions.length, 'function')}, ${formatBytes(sizeBytes)}, in ${took}`)
    output.line(`digest ${digest}`)
  } finally {
    await built.close()
  }
}

/** Uploads what the platform lacks of an artefact and deploys it; yields what a deploy of its deploy.json would. */
export async function* deployArtefact(
  path: string,
  { environment, only, digest, ...flags }: ArtefactDeploy,
  { context, onProgress }: { context: Context; onProgress: (progress: UploadProgress) => void },
): AsyncGenerator<DeployEvent> {
  const place = { path, base: dirname(path) }
  const artefact = await context.openArtefact(place, { environment, only, digest, variables: context.environment })
  for (const message of artefact.notes) yield { type: 'note', name: artefact.project, message }
  const events = deployPackage(await context.connect(), artefact, { ...flags, onProgress, signal: context.signal })
  yield* throughTunnel(events, context)
}
