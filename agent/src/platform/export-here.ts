/**
 * Functions of this machine for a Kubernetes cluster: what the platform of this home has deployed, whether it runs or
 * not, or what a deploy.json says. Nothing is deployed, and the home is only read.
 */
import { createWriteStream } from 'node:fs'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { RyoFaasError, type ExportedFunctions, type ExportRequest } from '../contract/index.ts'
import {
  builtFunctions,
  deployedFunctions,
  GENERAL_NOTES,
  manifestText,
  notesOf,
  objectName,
  objectsOf,
  secretName,
  type ExportedFunction,
} from '../deployments/export/index.ts'
import { StateStore } from '../deployments/state/index.ts'
import {
  APP_FOLDER,
  FUNCTION_UID,
  imageArchive,
  imageSources,
  OciImages,
  pathOf,
  processorOf,
  Registry,
  type OciImage,
} from '../engines/oci/index.ts'
import { type Languages } from '../languages/index.ts'
import { SecretStore } from '../secrets/index.ts'
import { namedCertificates } from './certificates.ts'
import { fetchedNode, type NodeCache } from './fetched-node.ts'
import { languagesHere } from './languages-here.ts'
import { savedOptions } from './launch-agent.ts'
import { findNode } from './node-binary.ts'
import { resolveOptions, type PlatformOptions } from './options.ts'

export interface ExportHereOptions {
  home: string
  environment: NodeJS.ProcessEnv
  nodeCache: NodeCache
  runtimeDir: string
  report: (doing: string) => void
  signal: AbortSignal
}

/**
 * @throws RyoFaasError DEPLOYMENT_NOT_FOUND, SECRET_NOT_FOUND, UNSUPPORTED, REGISTRY_FAILED, CANCELLED; of a deploy.json:
 * DEPLOY_FILE_INVALID, CHECK_FAILED, BUILD_FAILED
 */
export async function exportHere(request: ExportRequest, options: ExportHereOptions): Promise<ExportedFunctions> {
  const { home, environment, runtimeDir, signal } = options
  const platform = resolveOptions({}, environment, await savedOptions(home))
  const folder = await mkdtemp(join(tmpdir(), 'rfa-export-'))
  const languages = languagesHere({ home, environment, runtimeDir })
  try {
    const functions = await functionsOf(request, { ...options, languages, folder })
    if (functions.length === 0) {
      throw new RyoFaasError('DEPLOYMENT_NOT_FOUND', 'nothing is deployed', {
        hint: 'Deploy something, or name a deploy.json with --file.',
      })
    }
    const images = await imagesOf(functions, { request, platform, folder, languages, options })
    const shared = await namedCertificates(platform.ca)
    const { TZ } = environment
    const secrets = new SecretStore(home)
    const exported = await Promise.all(
      functions.map(async each => {
        const { name, version } = each
        const { config, base, entry } = version
        const language = languages.named(version.language)
        const values = request.withSecrets ? await valuesOf(each, secrets) : undefined
        const objects = objectsOf(each, {
          ...{ project: platform.project, image: images.get(each)!, uid: FUNCTION_UID, secrets: values },
          command: language.command({ folder: APP_FOLDER, entry, base, command: config.command }, {}),
          defaults: { ...pathOf({ base: base ?? language.base }), ...(TZ !== undefined && { TZ }) },
          certificates: [shared, config.ca].filter(Boolean).join(''),
          architecture: processorOf(process.arch),
          egress: platform.egress,
        })
        const secret = objects.filter(({ kind }) => kind === 'Secret')
        const notes = [...notesOf(each), ...(values === undefined ? secretNotes(each) : [])]
        return {
          ...{ name, object: objectName(each.route), image: images.get(each)!, notes },
          yaml: manifestText(objects.filter(({ kind }) => kind !== 'Secret')),
          ...(secret.length > 0 && { secretYaml: manifestText(secret) }),
        }
      }),
    )
    return { functions: exported, notes: [...GENERAL_NOTES] }
  } catch (error) {
    if (signal.aborted) throw new RyoFaasError('CANCELLED', 'cancelled', { cause: error })
    throw error
  } finally {
    await languages.close()
    await rm(folder, { recursive: true, force: true })
  }
}

async function functionsOf(
  { names, source }: ExportRequest,
  { home, languages, folder, report, signal }: ExportHereOptions & { languages: Languages; folder: string },
): Promise<ExportedFunction[]> {
  if (source === undefined) {
    const state = await StateStore.open(join(home, 'state.json'))
    return deployedFunctions(state.current, names)
  }
  return builtFunctions(
    { ...source, only: names },
    { ...{ languages, signal }, folder: join(folder, 'built'), report: name => report(`building ${name}`) },
  )
}

/** The name of each function's image, which is brought where it was asked for. */
async function imagesOf(
  functions: readonly ExportedFunction[],
  {
    request,
    platform,
    folder,
    languages,
    options,
  }: {
    request: ExportRequest
    platform: PlatformOptions
    folder: string
    languages: Languages
    options: ExportHereOptions
  },
): Promise<Map<ExportedFunction, string>> {
  const { environment, nodeCache, report, signal } = options
  const { project, baseImage } = platform
  const nameOf = ({ route, version }: ExportedFunction) => `${project}-${objectName(route)}:${version.hash}`
  const names = new Map(functions.map(each => [each, `localhost/${nameOf(each)}`]))
  const { images: place } = request
  if (place === undefined) return names
  const nodePath = await findNode(platform.node, fetchedNode(nodeCache))
  const sourceOf = imageSources({ baseImage, nodePath, environment })
  const maker = new OciImages({ folder: join(folder, 'images'), maker: 'an export', project, sourceOf })
  const made = new Map<ExportedFunction, OciImage>()
  for (const each of functions) {
    const { name, route, version } = each
    report(`making the image of ${name}`)
    const base = version.base ?? languages.named(version.language).base
    made.set(each, (await maker.find(await maker.build({ ...version, route, base }, signal)))!)
  }
  if (place.kind === 'archive') {
    report(`writing ${place.path}`)
    const archived = functions.map(each => ({ ...made.get(each)!, name: names.get(each)! }))
    const temporary = join(dirname(place.path), `.${process.pid}.tmp`)
    try {
      await pipeline(imageArchive(maker.blobs, archived), createWriteStream(temporary), { signal })
      await rename(temporary, place.path)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
    return names
  }
  const registry = new Registry({ address: place.address, environment })
  for (const each of functions) {
    report(`bringing the image of ${each.name} to ${registry.host}`)
    const [name, tag] = nameOf(each).split(':') as [string, string]
    const { manifest, contents } = made.get(each)!
    await registry.push(name, { manifest, contents, blobs: maker.blobs, tag })
    // The tag keeps a registry from sweeping it away; the digest is what is run.
    names.set(each, `${registry.address}/${name}@${manifest.digest}`)
  }
  return names
}

/** @throws RyoFaasError SECRET_NOT_FOUND */
async function valuesOf(
  { name, version }: ExportedFunction,
  store: SecretStore,
): Promise<Record<string, string> | undefined> {
  const names = version.config.secrets
  const values = await store.values(names)
  const missing = names.filter(each => !(each in values))
  if (missing.length === 0) return values
  throw new RyoFaasError('SECRET_NOT_FOUND', `${name} needs the secret ${missing.join(', ')}`, {
    hint: `Set it with: ryo-faas secrets set ${missing[0]}`,
  })
}

function secretNotes({ route, version }: ExportedFunction): string[] {
  const names = version.config.secrets
  if (names.length === 0) return []
  const files = names.map(each => `--from-file=${each}`).join(' ')
  return [`its secrets: kubectl create secret generic ${secretName(route)} ${files} (or export --with-secrets)`]
}
