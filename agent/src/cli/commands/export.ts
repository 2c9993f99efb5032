/** Functions for another place: as plain objects of Kubernetes, and their images. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { RyoFaasError, type ExportedFunctions, type ExportRequest } from '../../contract/index.ts'
import type { Command, Context } from '../context.ts'
import { countOf } from '../output.ts'
import { deployFilePath, ENV_OPTION, settingsOf } from './deploy-file.ts'

const STDOUT = '-'

export const exportCommand: Command = {
  usage: 'export <format> [names..]',
  describe: 'Write functions as Kubernetes manifests, from what is deployed here or from a deploy.json',
  examples: [
    ['export kubernetes --images shop.tar --out shop', 'all that is deployed; the images in one archive'],
    ['export kubernetes pay --registry registry.example.org/shop | kubectl apply -f -', 'one, by a registry'],
    ['export kubernetes --file deploy.json', 'without a platform'],
  ],
  place: 'here',
  options: yargs =>
    yargs
      .positional('format', { choices: ['kubernetes'] as const, demandOption: true })
      .positional('names', { type: 'string', array: true, describe: 'Functions; default: all' })
      .option('file', { type: 'string', nargs: 1, describe: 'This deploy.json, instead of what is deployed' })
      .option('env', ENV_OPTION)
      .option('out', {
        type: 'string',
        nargs: 1,
        default: STDOUT,
        describe: 'Folder for the files; - writes to stdout',
      })
      .option('images', {
        type: 'string',
        nargs: 1,
        describe: 'Write the images into this archive, for "podman load", "docker load" or "ctr images import"',
      })
      .option('registry', {
        type: 'string',
        nargs: 1,
        describe: 'Bring the images to this registry, such as registry.example.org/team',
      })
      .option('with-secrets', {
        type: 'boolean',
        default: false,
        describe: 'Also write the values of secrets: keep the result as you keep them',
      }),
  run: async (args, context) => {
    const { output, signal } = context
    const request = await requestOf(args, context)
    const progress = output.progress('reading functions')
    const exported = await context
      .exportKubernetes(request, { report: doing => progress.update(doing), signal })
      .finally(() => progress.stop())
    for (const { name, notes } of exported.functions) {
      for (const note of notes) output.note(output.colors.dim(`${name}: not carried over: ${note}`))
    }
    for (const note of exported.notes) output.note(output.colors.dim(note))
    if (args['out'] === STDOUT) return toStdout(exported, context)
    await toFolder(exported, resolve(context.cwd, String(args['out'])), context)
  },
}

async function requestOf(args: Record<string, unknown>, context: Context): Promise<ExportRequest> {
  const { cwd } = context
  const [archive, address] = [args['images'], args['registry']] as (string | undefined)[]
  if (archive !== undefined && address !== undefined) {
    throw new RyoFaasError('INVALID_OPTION', '--images and --registry are two ways for the same: use one')
  }
  const file = args['file'] === undefined ? undefined : await deployFilePath(cwd, args['file'])
  if (file === undefined && args['env'] !== undefined) {
    throw new RyoFaasError('INVALID_OPTION', '--env needs --file: what is deployed has its settings already')
  }
  return {
    names: (args['names'] as string[] | undefined) ?? [],
    withSecrets: args['withSecrets'] === true,
    ...(file !== undefined && { source: { file, ...(await settingsOf(file, args, context)) } }),
    ...(archive !== undefined && { images: { kind: 'archive', path: resolve(cwd, archive) } }),
    ...(address !== undefined && { images: { kind: 'registry', address } }),
  }
}

function toStdout({ functions, notes }: ExportedFunctions, { output }: Context): void {
  output.value({ functions, notes })
  const documents = functions.flatMap(({ secretYaml = [], yaml }) => [secretYaml, yaml].flat())
  if (!output.json) output.raw(documents.join(''))
}

async function toFolder({ functions, notes }: ExportedFunctions, folder: string, context: Context): Promise<void> {
  const { output } = context
  await mkdir(folder, { recursive: true })
  const files: string[] = []
  for (const { object, yaml, secretYaml } of functions) {
    const write = async (name: string, text: string, mode: number) => {
      const path = join(folder, name)
      await writeFile(path, text, { mode })
      files.push(path)
    }
    if (secretYaml !== undefined) await write(`${object}-secrets.yaml`, secretYaml, 0o600)
    await write(`${object}.yaml`, yaml, 0o644)
  }
  output.value({ functions: functions.map(({ name, image, notes }) => ({ name, image, notes })), notes, files })
  output.line(`${folder}: ${countOf(functions.length, 'function')}, ${countOf(files.length, 'file')}`)
  output.note(`kubectl apply -f ${folder}`)
}
