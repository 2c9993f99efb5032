/** Request and result of the builder. */
import type { HandlerCall } from '../checker/index.ts'

export type BundleRequest = HandlerCall & {
  /** Name as the user wrote it. */
  name: string
  /** Key of the module's exports for the handler; `*` for the whole module. */
  exportName: string
  /** Absolute: the folder of deploy.json. Only packages are read from outside it. */
  rootDir: string
  /** Absolute, inside `rootDir`. */
  packageDir: string
  /** Absolute, inside `packageDir`. */
  filePath: string
  /** Globs below `packageDir` of further files to include. */
  files: string[]
  /** Packages that are not bundled, in addition to those known not to work in a bundle: names, or `@scope/*`. */
  unbundled?: readonly string[]
  /** Version of Node that it asks for. */
  node?: string | undefined
}
