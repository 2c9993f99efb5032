/**
 * What a lock file may use on the host. Packages from registries may be fetched; local ones must be inside the package,
 * also after symbolic links; git is refused, because the lock file would control that program.
 */
import { join, relative, resolve, sep } from 'node:path'
import { RyoFaasError } from '../../../contract/index.ts'
import { isWithin } from './locked-project.ts'

const LOCK = 'package-lock.json'

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

export interface LocalPackages {
  /** Files that are installed from: they are copied. */
  copied: string[]
  /** Folders of the project: they stay where they are. */
  linked: string[]
}

/**
 * What the lock file refers to in the project, relative to it.
 * @throws RyoFaasError BUILD_FAILED if only the user's own npm may install what it names
 */
export function localPackages(text: string, packageDir: string): LocalPackages {
  const lock = parseLock(text, packageDir)
  const outside = (path: string) =>
    new RyoFaasError('BUILD_FAILED', `${path} in ${LOCK} is outside the package, so only npm can install it`, {
      hint: `Run: cd ${packageDir} && npm ci`,
    })
  for (const place of Object.keys(lock.packages ?? {})) {
    if (!isInside(packageDir, place)) throw outside(place)
  }
  const local: LocalPackages = { copied: [], linked: [] }
  for (const { resolved, version, link } of entriesOf(lock)) {
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
    if (path === undefined) continue
    if (!isInside(packageDir, path)) throw outside(path)
    local[link ? 'linked' : 'copied'].push(relative(packageDir, resolve(packageDir, path)).split(sep).join('/'))
  }
  return local
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
  const place = relative(packageDir, resolve(packageDir, path))
  return place === '' || isWithin(packageDir, place)
}

function parseLock(text: string, packageDir: string): Lock {
  try {
    return JSON.parse(text) as Lock
  } catch (error) {
    throw new RyoFaasError('BUILD_FAILED', `${join(packageDir, LOCK)} is not valid JSON`, { cause: error })
  }
}
