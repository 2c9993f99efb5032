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

/** A bundle in memory: nothing is written until the caller knows that it is new. */
export interface Bundle {
  /** 16 hex digits over everything the function can see at run time: same hash, same function. */
  hash: string
  /** Things the user should know, e.g. a package that could not be bundled and was taken along. */
  notes: string[]
  /**
   * Writes the version folder: `package/` (the sources as they were), `exported_<name>.ts` (the generated entry) and
   * `app/` (what the image holds). Replaces what an interrupted attempt may have left there.
   */
  write(versionDir: string): Promise<WrittenBundle>
}

export interface WrittenBundle {
  /** `<versionDir>/app`. */
  dir: string
  /** Module to run, relative to `dir`. */
  entry: string
}
