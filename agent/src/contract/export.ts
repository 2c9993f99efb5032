/** What the command line asks this machine for, and gets: functions as objects of Kubernetes. */
export interface ExportRequest {
  /** Empty: all. */
  names: string[]
  /** Absent: what is deployed. */
  source?: { file: string; environment?: string; variables: Record<string, string> } | undefined
  /** Where the images go: a file, or `[http://]host[:port][/path]`; absent: they are only named. */
  images?: { kind: 'archive'; path: string } | { kind: 'registry'; address: string } | undefined
  /** Write the values of secrets, too. */
  withSecrets: boolean
}

export interface ExportedFunctions {
  /** `notes`: what of it is not carried over. */
  functions: { name: string; object: string; image: string; yaml: string; secretYaml?: string; notes: string[] }[]
  /** Of all functions. */
  notes: string[]
}
