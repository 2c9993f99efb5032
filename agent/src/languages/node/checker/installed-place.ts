import { basename, join, relative } from 'node:path'

/** A folder in the shape of a project, with nothing of it but its packages. Absolute, real paths. */
export interface InstalledPlace {
  /** The project. */
  root: string
  folder: string
}

/** Where a path of the project would be in the folder: its packages are beside it there. */
export function placeOf(path: string, { root, folder }: InstalledPlace): string {
  const place = relative(root, path)
  return join(folder, place.startsWith('..') ? basename(path) : place)
}
