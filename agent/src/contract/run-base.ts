/**
 * What a command runs on, by a name that a version keeps: `node`, `node@22`, `scratch` (nothing at all), files of this
 * machine, or what the Dockerfile of a package makes.
 */
const HOST = 'host:'
const DOCKERFILE = 'dockerfile:'

/** Nothing at all: for programs that bring everything. */
export const SCRATCH_BASE = 'scratch'

/** @param paths absolute, of programs and folders; with each comes what it is linked with. None holds a colon. */
export function hostBase(paths: readonly string[]): string {
  return HOST + paths.join(':')
}

/** The paths of `hostBase`; undefined for any other base. */
export function hostPathsOf(base: string | undefined): string[] | undefined {
  return base?.startsWith(HOST) ? base.slice(HOST.length).split(':') : undefined
}

/** Where a file of this machine is in an image: containers have a `/tmp` of their own, which hides what lies there. */
export function placeInImage(path: string): string {
  return path.startsWith('/tmp/') ? `/host${path}` : path
}

/** @param path of the Dockerfile in the package */
export function dockerfileBase(path: string): string {
  return DOCKERFILE + path
}

/** The path of `dockerfileBase`; undefined for any other base. */
export function dockerfileOf(base: string | undefined): string | undefined {
  return base?.startsWith(DOCKERFILE) ? base.slice(DOCKERFILE.length) : undefined
}
