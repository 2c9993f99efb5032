/** What the commands of tree nodes are about. */
export interface DeploymentNode {
  kind: 'deployment'
  name: string
}

export interface VersionNode {
  kind: 'version'
  name: string
  version: number
}

export interface CallStatusNode {
  kind: 'call'
  id: string
}

export interface TableNode {
  kind: 'table'
  table: string
}

export interface DocumentNode {
  kind: 'document'
  table: string
  id: string
  /** That is shown. */
  version?: number
}
