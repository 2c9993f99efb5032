/** The user's compiler options, from the nearest tsconfig.json (with what it extends), or what Node 24 needs. */
import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ts } from 'ts-morph'

export interface PackageConfig {
  options: ts.CompilerOptions
  /** The `.d.ts` files that the configuration includes: they may declare global types. */
  declarations: string[]
  /** Whether the files it was read from are still the same. */
  isCurrent(): boolean
}

const WITHOUT_CONFIG: ts.CompilerOptions = {
  strict: true,
  target: ts.ScriptTarget.ES2023,
  // No DOM: @types/node declares the parts that Node has, `Request` and `Response` included.
  lib: ['lib.es2023.d.ts'],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  jsx: ts.JsxEmit.Preserve,
}

const ALWAYS: ts.CompilerOptions = {
  noEmit: true,
  composite: false,
  incremental: false,
  skipLibCheck: true,
  allowJs: true,
  maxNodeModuleJsDepth: 0,
  allowImportingTsExtensions: true,
  resolveJsonModule: true,
  moduleDetection: ts.ModuleDetectionKind.Auto,
  // Only types for what the code imports, not everything in reach.
  types: [],
}

export function readConfig(packageDir: string): PackageConfig {
  const file = ts.findConfigFile(packageDir, ts.sys.fileExists)
  if (file === undefined) {
    const candidate = join(packageDir, 'tsconfig.json')
    const options = { ...WITHOUT_CONFIG, ...ALWAYS }
    return { options, declarations: [], isCurrent: () => stamp(candidate) === undefined }
  }
  const read = new Map<string, string | undefined>()
  const host: ts.ParseConfigFileHost = {
    ...ts.sys,
    readFile(path) {
      read.set(path, stamp(path))
      return ts.sys.readFile(path)
    },
    readDirectory: (root, _extensions, excludes, includes, depth) =>
      ts.sys.readDirectory(root, ['.d.ts'], excludes, includes, depth),
    // A file that cannot be read gives no options; the user's own tools report what is wrong.
    onUnRecoverableConfigFileDiagnostic: () => {},
  }
  const parsed = ts.getParsedCommandLineOfConfigFile(file, {}, host)
  const nearer = join(packageDir, 'tsconfig.json')
  return {
    options: { ...(parsed?.options ?? WITHOUT_CONFIG), ...ALWAYS },
    declarations: parsed?.fileNames.filter(name => /\.d\.[cm]?ts$/.test(name)) ?? [],
    isCurrent: () =>
      [...read].every(([path, before]) => stamp(path) === before) &&
      (dirname(file) === packageDir || stamp(nearer) === undefined),
  }
}

function stamp(path: string): string | undefined {
  const status = statSync(path, { throwIfNoEntry: false })
  return status && `${status.mtimeMs} ${status.size}`
}
