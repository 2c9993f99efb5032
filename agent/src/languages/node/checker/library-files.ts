/**
 * The declaration files of the language itself (`lib.*.d.ts`). ts-morph contains them as text for projects in memory;
 * the language service finds them here under a folder that does not exist on disk.
 */
import { Project } from 'ts-morph'

export interface LibraryFiles {
  /** Without a trailing slash. */
  readonly folder: string
  /** @param path absolute, below `folder` */
  read(path: string): string | undefined
}

export function openLibraryFiles(): LibraryFiles {
  const host = new Project({ useInMemoryFileSystem: true }).getModuleResolutionHost()
  const folder = '/node_modules/typescript/lib'
  return {
    folder,
    read: path => (path.startsWith(`${folder}/`) && host.fileExists(path) ? host.readFile(path) : undefined),
  }
}
