/** Request and result of the builder. */
import type { FunctionSource } from '../../language.ts'
import type { HandlerCall } from '../checker/index.ts'

/** What of a source a bundle is made of; only packages are read from outside its `rootDir`. */
type Source = Pick<FunctionSource, 'name' | 'rootDir' | 'packageDir' | 'filePath' | 'files' | 'unbundled' | 'node'>

export type BundleRequest = HandlerCall &
  Source & {
    /** Key of the module's exports for the handler; `*` for the whole module. */
    exportName: string
  }
