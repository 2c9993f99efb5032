/**
 * What a lock file may use on the host. Packages from registries may be fetched; local ones must be inside the package,
 * also after symbolic links; git is refused, because the lock file would control that program.
 */
import { existsSync, realpathSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { RyoFaasError } from '../../../contract/index.ts'

export const LOCK = 'package-lock.json'

interface LockEntry {
  resolved?: string
  link?: boolean
  /** In version 1 of the format: what later ones call `resolved`, if the package is not from a registry. */
  version?: string
  dependencies?: Record<string, LockEntry | string>
}

interface Lock {
  packages?: Record<string, LockEntry>
  dependencies?: Record<string, LockEntry | string>
}

/**
 * Tarballs and folders of the package that the lock file refers to, relative to it.
 * @throws RyoFaasError BUILD_FAILED if only the user's own npm may install what it names
 */
export function localPackages(text: string, packageDir: string): string[] {
  const lock = parseLock(text, packageDir)
  const outside = (path: string) =>
    new RyoFaasError('BUILD_FAILED', `${path} in ${LOCK} is outside the package, so only npm can install it`, {
      hint: `Run: cd ${packageDir} && npm ci`,
    })
  for (const place of Object.keys(lock.packages ?? {})) {
    if (!isInside(packageDir, place)) throw outside(place)
  }
  return [...entriesOf(lock)].flatMap(({ resolved, version, link }) => {
    const from = resolved ?? version ?? ''
    if (/^(?:git[+:@]|ssh:|github:|gitlab:|bitbucket:|gist:)/.test(from)) {
      throw new RyoFaasError(
        'BUILD_FAILED',
        `${LOCK} takes a package from git (${from}); a deployment does not run git`,
        {
          hint: `Run it yourself: cd ${packageDir} && npm ci`,
        },
      )
    }
    const path = link ? from : from.startsWith('file:') ? from.slice('file:'.length) : undefined
    if (path === undefined) return []
    if (!isInside(packageDir, path)) throw outside(path)
    return [relative(packageDir, resolve(packageDir, path)).split(sep).join('/')]
  })
}

function* entriesOf({ packages, dependencies }: Lock): Iterable<LockEntry> {
  if (packages) {
    yield* Object.values(packages)
    return
  }
  for (const entry of Object.values(dependencies ?? {})) {
    if (typeof entry === 'string') continue
    yield entry
    yield* entriesOf(entry.dependencies ? { dependencies: entry.dependencies } : {})
  }
}

/** As npm may read the path: it expands `~` and percent encoding. */
function isInside(packageDir: string, path: string): boolean {
  if (path.split(/[\\/]/).some(part => part.startsWith('~')) || path.includes('%')) return false
  const source = resolve(packageDir, path)
  const within = (folder: string, place: string) => place === folder || place.startsWith(folder + sep)
  return within(packageDir, source) && (!existsSync(source) || within(realpathSync(packageDir), realpathSync(source)))
}

function parseLock(text: string, packageDir: string): Lock {
  try {
    return JSON.parse(text) as Lock
  } catch (error) {
    throw new RyoFaasError('BUILD_FAILED', `${join(packageDir, LOCK)} is not valid JSON`, { cause: error })
  }
}
