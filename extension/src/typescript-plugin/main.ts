/**
 * A plugin of the language service that the editor's own TypeScript loads: `@ryo-faas/runtime` resolves to the copy
 * that comes with the extension, and so do Node's types, where the user has installed neither. Nothing is written. What
 * Node has without an import (`process`, `Buffer`) is known in the folders that deploy.json, or what stands in for it,
 * speaks of, and in no others.
 */
import { existsSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'
import { CONFIG_FILES, DEPLOY_FILE, PACKAGE_FIELD, PACKAGE_FILE } from '@ryo-faas/runtime/protocol'
import type ts from 'typescript/lib/tsserverlibrary.js'

const DOORS: Record<string, string> = {
  '@ryo-faas/runtime': 'index.d.ts',
  '@ryo-faas/runtime/main': 'main.d.ts',
  '@ryo-faas/runtime/protocol': 'protocol/index.d.ts',
}
/** From `<extension>/node_modules/ryo-faas-typescript-plugin`. */
const OWN_PACKAGES = join(__dirname, '..', '..', 'dist', 'node_modules')

const NODE_TYPES = join(OWN_PACKAGES, '@types', 'node', 'index.d.ts')

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
      addGlobals(host)
      return languageService
    },
  }
}

/** Node's declarations become part of the program, if it contains functions and names no other types. */
function addGlobals(host: ts.LanguageServiceHost): void {
  const names = host.getScriptFileNames.bind(host)
  const nodeTypes = existing(NODE_TYPES)
  let known = { count: -1, isWanted: false }
  host.getScriptFileNames = () => {
    const files = names()
    // Looked at again when files come or go: this is asked at every key.
    if (files.length !== known.count) {
      const isWanted = host.getCompilationSettings().types === undefined && holdFunctions(files)
      known = { count: files.length, isWanted }
    }
    return known.isWanted && nodeTypes !== undefined ? [...files, nodeTypes] : files
  }
}

function holdFunctions(files: readonly string[]): boolean {
  const folders = new Set(files.filter(file => !file.includes('/node_modules/')).map(file => dirname(file)))
  return [...folders].some(
    folder => isAbove(folder, hasDeployFile) && !hasAbove(folder, join('node_modules', '@types', 'node')),
  )
}

function resolvedTo(resolvedFileName: string, { Extension }: typeof ts): Pick<Resolved, 'resolvedModule'> {
  return { resolvedModule: { resolvedFileName, extension: Extension.Dts, isExternalLibraryImport: true } }
}

function ownFile(name: string, containingFile: string): string | undefined {
  const door = DOORS[name]
  if (door !== undefined) return existing(join(OWN_PACKAGES, '@ryo-faas', 'runtime', 'dist', door))
  // The modules of Node are declared as ambient ones; that file only has to be part of the program.
  if (isBuiltin(name) && !hasAbove(dirname(containingFile), join('node_modules', '@types', 'node'))) {
    return existing(NODE_TYPES)
  }
  return undefined
}

function hasDeployFile(folder: string): boolean {
  if ([DEPLOY_FILE, ...CONFIG_FILES].some(name => existsSync(join(folder, name)))) return true
  try {
    return Object.hasOwn(JSON.parse(readFileSync(join(folder, PACKAGE_FILE), 'utf8')) as object, PACKAGE_FIELD)
  } catch {
    return false // Missing, or half written.
  }
}

function hasAbove(start: string, name: string): boolean {
  return isAbove(start, folder => existsSync(join(folder, name)))
}

function isAbove(start: string, isIt: (folder: string) => boolean): boolean {
  for (let folder = start; ; folder = dirname(folder)) {
    if (isIt(folder)) return true
    if (folder === dirname(folder)) return false
  }
}

function existing(path: string): string | undefined {
  return existsSync(path) ? path : undefined
}
