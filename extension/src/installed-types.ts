/** Where the declarations lie that the checker measures by: in the extension, or in the checkout it is developed in. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface InstalledTypes {
  runtimeTypes: string
  nodeTypes: string
}

export function installedTypes(extensionPath: string): InstalledTypes {
  const find = (path: string): string => {
    for (let folder = join(extensionPath, 'dist'); ; folder = dirname(folder)) {
      const candidate = join(folder, 'node_modules', path)
      if (existsSync(candidate)) return candidate
      if (folder === dirname(folder)) throw new Error(`the extension does not hold ${path}: it was not packaged whole`)
    }
  }
  return { runtimeTypes: find('@ryo-faas/runtime/dist/index.d.ts'), nodeTypes: find('@types/node/index.d.ts') }
}
