/** What the processes of the services run, without the schemas of their options. */
import { join } from 'node:path'
import { DISPATCHER_NODE_ARGS } from '../../services/dispatcher/index.ts'
import { entryPath } from '../entries.ts'

export interface ServiceProgram {
  /** Path of its entry module. */
  entry: string
  nodeArgs?: readonly string[]
}

export const SERVICES = {
  proxy: { entry: entryPath('services/proxy/main') },
  store: { entry: entryPath('services/store/main') },
  dispatcher: { entry: entryPath('services/dispatcher/main'), nodeArgs: DISPATCHER_NODE_ARGS },
} satisfies Record<string, ServiceProgram>

export function optionsFileOf(home: string, name: string): string {
  return join(home, 'run', `${name}-options.json`)
}

/** Arguments of Node for a service. */
export function serviceArgs(home: string, { name, entry, nodeArgs = [] }: ServiceProgram & { name: string }): string[] {
  return [...nodeArgs, entry, optionsFileOf(home, name)]
}
