/** What a process that waits for a function is given, as JSON. */
export interface HandOver {
  /** Absolute path of the module to run. */
  entry: string
  /** Absolute; default: where the process waited. */
  cwd?: string
  /** Variables in addition to those that the process has. */
  env: Record<string, string>
}
