/** Request and result of the builder. */
export interface BundleRequest {
  /** Name as the user wrote it. */
  name: string
  /** Key of the module's exports for the handler. */
  exportName: string
  style: 'node' | 'web' | 'trigger' | 'service'
  /** Node style: the handler is given the context as its third argument. */
  takesContext?: boolean
  /** Absolute: the folder of deploy.json. Only packages are read from outside it. */
  rootDir: string
  /** Absolute, inside `rootDir`. */
  packageDir: string
  /** Absolute, inside `packageDir`. */
  filePath: string
  /** Globs below `packageDir` of further files to include. */
  files: string[]
}
