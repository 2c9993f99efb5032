/** What the builder is asked and what it answers. */
export interface BundleRequest {
  /** Name as the user wrote it. */
  name: string
  /** Key of the module's exports under which the handler stands. */
  exportName: string
  style: 'node' | 'web' | 'trigger' | 'service'
  /** Node style: the handler is given the context as its third argument. */
  takesContext?: boolean
  /** Absolute: the folder of deploy.json. Nothing outside it is read but packages. */
  rootDir: string
  /** Absolute, inside `rootDir`. */
  packageDir: string
  /** Absolute, inside `packageDir`. */
  filePath: string
  /** Globs below `packageDir` of further files to take along. */
  files: string[]
}
