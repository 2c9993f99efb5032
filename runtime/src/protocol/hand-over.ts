/** Between the platform and a process that waits for a function. */

/** What it is given, as JSON. */
export interface HandOver {
  /** Absolute path of the module to run. */
  entry: string
  /** Absolute; default: where the process waited. */
  cwd?: string
  /** Variables in addition to those that the process has. */
  env: Record<string, string>
}

/** All of this package as one file, which a function requires from beside its own. */
export const RUNTIME_FILE = 'ryo-faas-runtime.cjs'
/** Of the compiled package: where that file is made when it is built. Sources have none. */
export const WHOLE_FOLDER = 'whole'
