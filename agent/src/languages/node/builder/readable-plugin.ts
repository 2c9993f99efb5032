/** Refuses what the bundler would read outside the allowed folders; the error is located at the import. */
import { existsSync } from 'node:fs'
import type { PartialMessage, Plugin } from 'esbuild'
import { unreadable, type ReadableFolders } from './readable-folders.ts'

/** @param folders of the current build */
export function readablePlugin(folders: () => ReadableFolders): Plugin {
  return {
    name: 'ryo-faas-readable',
    setup(build) {
      build.onResolve({ filter: /^(?:\/[^/]|[A-Za-z]:[\\/])/, namespace: 'file' }, ({ path }) => {
        // A missing file is reported like any other; the names of our own modules are also absolute.
        if (!existsSync(path)) return undefined
        const text = `"${path}" is an absolute path, which does not exist on other machines`
        return { errors: [{ text, detail: { hint: 'Import it by a relative path, or as a package.' } }] }
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
