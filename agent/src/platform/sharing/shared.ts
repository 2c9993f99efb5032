/** What agents of one platform share: all that the next leader needs to go on. Ports are each machine's own. */
import { isAbsolute, join, relative, sep } from 'node:path'
import { z } from 'zod'
import { AccessKeys } from '../../access/index.ts'
import type { Content } from '../../cluster/index.ts'
import { RyoFaasError } from '../../contract/index.ts'
import { readState, type PlatformState } from '../../deployments/state/index.ts'
import type { KeptSecret } from '../../secrets/index.ts'

export interface Shared {
  format: typeof FORMAT
  keys: AccessKeys
  callbackSecret: string
  proxyKey: string
  state: PlatformState
  /** Folders of versions, relative to a home and with `/`. */
  folders: Record<string, Content>
  /** Of functions, by name. */
  secrets: Record<string, KeptSecret>
  /** The file of tokens. */
  tokens: string
}

const FORMAT = 1

const SharedShape = z.object({
  format: z.literal(FORMAT),
  keys: AccessKeys,
  callbackSecret: z.string(),
  proxyKey: z.string(),
  state: z.unknown(),
  folders: z.record(z.string(), z.object({ digest: z.string(), bytes: z.int().min(0) })),
  secrets: z.record(z.string(), z.object({ value: z.string(), at: z.number() })),
  tokens: z.string(),
})

/** @throws RyoFaasError HOME_UNUSABLE if another release wrote it, which this one does not understand */
export function readShared(value: unknown): Shared {
  const parsed = SharedShape.safeParse(value)
  if (!parsed.success) {
    throw new RyoFaasError('HOME_UNUSABLE', 'what the agents of this platform share is of another release', {
      hint: 'Run the same release of ryo-faas on each machine.',
      cause: parsed.error,
    })
  }
  return { ...parsed.data, state: readState(parsed.data.state) }
}

export function firstShared(
  start: Pick<Shared, 'keys' | 'callbackSecret' | 'proxyKey' | 'state' | 'secrets' | 'tokens'>,
): Shared {
  return { format: FORMAT, folders: {}, ...start }
}

/** A state as it is shared: without what is this machine's. */
export function sharedState(state: Readonly<PlatformState>, home: string): PlatformState {
  return withFolders({ ...state, ports: {} }, dir => relative(home, dir).split(sep).join('/'))
}

/** The same on a machine. */
export function localState(
  shared: Readonly<PlatformState>,
  { home, ports }: { home: string; ports: PlatformState['ports'] },
): PlatformState {
  return withFolders({ ...shared, ports }, dir => join(home, dir))
}

/** The folder of a version, which holds its `dir`, of every version that a shared state has. */
export function foldersOf({ deployments }: Readonly<PlatformState>): string[] {
  const dirs = Object.values(deployments).flatMap(({ versions }) => versions.map(({ dir }) => dir))
  return [...new Set(dirs.map(folderOf))]
}

/** Those that functions run from now. */
export function activeFolders({ deployments }: Readonly<PlatformState>): string[] {
  return Object.values(deployments).flatMap(({ versions, active }) =>
    versions.filter(({ version }) => version === active).map(({ dir }) => folderOf(dir)),
  )
}

/** `deployments/<route>/<version>`. */
function folderOf(dir: string): string {
  const folder = dir.split('/').slice(0, 3).join('/')
  if (!isAbsolute(folder) && /^deployments\/[^/]+\/[^/]+$/.test(folder) && !folder.split('/').includes('..'))
    return folder
  throw new RyoFaasError('HOME_UNUSABLE', `${dir} is not the folder of a version`)
}

function withFolders(state: PlatformState, place: (dir: string) => string): PlatformState {
  const deployments = Object.entries(state.deployments).map(([route, record]) => [
    route,
    { ...record, versions: record.versions.map(version => ({ ...version, dir: place(version.dir) })) },
  ])
  return { ...state, deployments: Object.fromEntries(deployments) as PlatformState['deployments'] }
}
