/**
 * A plugin of the language service that the editor's own TypeScript loads: `@ryo-faas/runtime` resolves to the copy that
 * comes with the extension, and so do Node's types, where the user has installed neither. Nothing is written.
 */
import { existsSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'
import type ts from 'typescript/lib/tsserverlibrary.js'

const DOORS: Record<string, string> = {
  '@ryo-faas/runtime': 'index.d.ts',
  '@ryo-faas/runtime/main': 'main.d.ts',
  '@ryo-faas/runtime/protocol': 'protocol/index.d.ts',
}
/** From `<extension>/node_modules/ryo-faas-typescript-plugin`. */
const OWN_PACKAGES = join(__dirname, '..', '..', 'dist', 'node_modules')

type Resolved = ts.ResolvedModuleWithFailedLookupLocations

export function init({ typescript }: { typescript: typeof ts }): ts.server.PluginModule {
  return {
    create({ languageServiceHost: host, languageService }) {
      const resolve = host.resolveModuleNameLiterals?.bind(host)
      if (!resolve) return languageService
      host.resolveModuleNameLiterals = (literals, containingFile, ...rest) => {
        const found = resolve(literals, containingFile, ...rest)
        return found.map((resolution, index) => {
          if (resolution.resolvedModule) return resolution
          const file = ownFile(literals[index]!.text, containingFile)
          return file === undefined ? resolution : { ...resolution, ...resolvedTo(file, typescript) }
        })
      }
      return languageService
    },
  }
}

function resolvedTo(resolvedFileName: string, { Extension }: typeof ts): Pick<Resolved, 'resolvedModule'> {
  return { resolvedModule: { resolvedFileName, extension: Extension.Dts, isExternalLibraryImport: true } }
}

function ownFile(name: string, containingFile: string): string | undefined {
  const door = DOORS[name]
  if (door !== undefined) return existing(join(OWN_PACKAGES, '@ryo-faas', 'runtime', 'dist', door))
  // The modules of Node are declared as ambient ones; that file only has to be part of the program.
  if (isBuiltin(name) && !hasNodeTypes(containingFile)) {
    return existing(join(OWN_PACKAGES, '@types', 'node', 'index.d.ts'))
  }
  return undefined
}

function hasNodeTypes(containingFile: string): boolean {
  for (let folder = dirname(containingFile); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'node_modules', '@types', 'node'))) return true
    if (folder === dirname(folder)) return false
  }
}

function existing(path: string): string | undefined {
  return existsSync(path) ? path : undefined
}
