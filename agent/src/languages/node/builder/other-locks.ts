/**
 * What the lock files of pnpm, yarn and bun may use on the host: the same as npm's (`npm-lock.ts`). Packages come from
 * registries or are of the project itself; git is refused, because the lock file would control that program, and so are
 * files outside the project.
 */
import { parse as parseJson } from 'jsonc-parser'
import { parse as parseYaml } from 'yaml'
import { RyoFaasError } from '../../../contract/index.ts'
import { INSTALL_COMMANDS, isWithin, type LockedProject } from './locked-project.ts'
import type { Manifest } from './node-packages.ts'
import type { LocalPackages } from './npm-lock.ts'

const GIT = /^(?:git[+:@]|ssh:|github:|gitlab:|bitbucket:|gist:)|\.git(?:#|$)/
/** A version, a range or a tag of a registry, or a package of the workspace. */
const PLAIN = /^(?:(?:npm|workspace|catalog):.*|[\w.^~<>=|* +-]*)$/
const LOCAL = /^(?:file|link|portal):(.*)$/

/** @throws RyoFaasError BUILD_FAILED if only the user's own package manager may install what it names */
export function otherLocalPackages(text: string, project: LockedProject, manifests: Manifest[]): LocalPackages {
  const local: LocalPackages = { copied: [], linked: [] }
  for (const source of sourcesOf(text, project)) take(source, project, local)
  for (const { dependencies, devDependencies, optionalDependencies } of manifests) {
    for (const spec of Object.values({ ...devDependencies, ...optionalDependencies, ...dependencies })) {
      if (typeof spec === 'string' && !PLAIN.test(spec)) mustBeHarmless(spec, project)
    }
  }
  return local
}

/** Where packages come from, if it is not a registry. */
function sourcesOf(text: string, { manager, lockName, root }: LockedProject): string[] {
  try {
    switch (manager) {
      case 'pnpm':
        return pnpmSources(parseYaml(text) as PnpmLock | null)
      case 'berry':
        return berrySources(parseYaml(text) as Record<string, { resolution?: unknown }> | null)
      case 'yarn':
        return [...text.matchAll(/^\s+resolved "?([^"\s]+)"?$/gm)].map(([, resolved]) => resolved!)
      case 'bun':
        return bunSources(parseJson(text, [], { allowTrailingComma: true }) as BunLock | undefined)
      case 'npm':
        return []
    }
  } catch (error) {
    throw new RyoFaasError('BUILD_FAILED', `${root}/${lockName} cannot be read: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

interface PnpmLock {
  packages?: Record<string, { resolution?: { type?: string; repo?: string; tarball?: string; directory?: string } }>
}

function pnpmSources(lock: PnpmLock | null): string[] {
  return Object.values(lock?.packages ?? {}).flatMap(({ resolution = {} }) => {
    const { type, repo, tarball, directory } = resolution
    if (type === 'git' || repo !== undefined) return [`git+${repo ?? ''}`]
    if (directory !== undefined) return [`file:${directory}`]
    return tarball === undefined ? [] : [tarball]
  })
}

/** `"left-pad@npm:1.3.0"`, `"@acme/shared@workspace:packages/shared"`. */
function berrySources(lock: Record<string, { resolution?: unknown }> | null): string[] {
  return Object.values(lock ?? {}).flatMap(entry => {
    const source = /^(?:@[^/]+\/)?[^@]+@(.*)$/.exec(typeof entry.resolution === 'string' ? entry.resolution : '')?.[1]
    if (source === undefined || /^(?:npm|workspace):/.test(source)) return []
    // Yarn's own patches of packages are part of its program.
    const patched = /^patch:.*#(?:optional!)?builtin</.test(decodeURIComponent(source))
    return patched ? [] : [source]
  })
}

interface BunLock {
  packages?: Record<string, unknown[]>
}

/** `["is-odd@3.0.1", "", {…}, "sha512-…"]`, `["@acme/shared@workspace:packages/shared"]`. */
function bunSources(lock: BunLock | undefined): string[] {
  return Object.values(lock?.packages ?? {}).flatMap(([id, from]) => {
    const source = /^(?:@[^/]+\/)?[^@]+@(.*)$/.exec(String(id))?.[1] ?? ''
    if (source.startsWith('workspace:')) return []
    if (/^\d/.test(source)) return typeof from === 'string' && from !== '' ? [from] : []
    return [source]
  })
}

function take(source: string, project: LockedProject, local: LocalPackages): void {
  mustBeHarmless(source, project)
  const path = LOCAL.exec(source)?.[1]?.replace(/[#:].*$/, '')
  if (path !== undefined) local[source.startsWith('file:') ? 'copied' : 'linked'].push(path)
}

function mustBeHarmless(source: string, { root, manager, lockName }: LockedProject): void {
  const hint = `Run it yourself: cd ${root} && ${INSTALL_COMMANDS[manager]}`
  const path = LOCAL.exec(source)?.[1]?.replace(/[#:].*$/, '')
  if (path !== undefined) {
    if (!path.startsWith('~') && !path.includes('%') && isWithin(root, path)) return
    throw new RyoFaasError('BUILD_FAILED', `${path} in ${lockName} is outside the project`, { hint })
  }
  if (/^https?:\/\//.test(source) && !GIT.test(source)) return
  throw new RyoFaasError(
    'BUILD_FAILED',
    GIT.test(source)
      ? `${lockName} takes a package from git (${source}); a deployment does not run git`
      : `${lockName} takes a package from ${source}, which a deployment cannot install`,
    { hint },
  )
}
