/** Refuses what the bundler is about to read outside the folders that it may read; the error stands at the import. */
import { existsSync } from 'node:fs'
import type { PartialMessage, Plugin } from 'esbuild'
import { unreadable, type ReadableFolders } from './readable-folders.ts'

/** @param folders of the build that runs */
export function readablePlugin(folders: () => ReadableFolders): Plugin {
  return {
    name: 'ryo-faas-readable',
    setup(build) {
      build.onResolve({ filter: /^(?:\/[^/]|[A-Za-z]:[\\/])/, namespace: 'file' }, ({ path }) => {
        // What is not there is missing as anything else is; the file names of modules of ours are absolute, too.
        if (!existsSync(path)) return undefined
        const text = `"${path}" is an absolute path, which leads nowhere on another machine`
        return { errors: [{ text, detail: { hint: 'Import it by a path relative to the file, or as a package.' } }] }
      })
      // The bundler hands over real paths.
      build.onLoad({ filter: /.*/, namespace: 'file' }, ({ path }) =>
        folders().holds(path) ? undefined : { errors: [refusal(path, folders())] },
      )
    },
  }
}

export function refusal(path: string, folders: ReadableFolders): PartialMessage {
  const { text, hint } = unreadable(path, folders)
  return { text, detail: { hint } }
}
