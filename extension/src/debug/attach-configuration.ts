/** The configuration with which the editor's own debugger for Node attaches to a function. Pure. */
import { join } from 'node:path'
import type * as vscode from 'vscode'
import type { DebugPaths } from 'ryo-faas/contract'

export interface AttachTarget {
  name: string
  /** On the loopback interface. */
  port: number
  paths: DebugPaths
  /** As in the source map of the bundle. */
  sources: readonly string[]
}

/**
 * The bundle that the process reads, in a container or not, is on this machine too, with its map; the sources in the
 * map are relative to the package, which is elsewhere. Each is mapped by its whole name: a pattern like `*` would also
 * change the addresses of scripts.
 */
export function attachTo({ name, port, paths, sources }: AttachTarget): vscode.DebugConfiguration {
  const { localRoot, remoteRoot, sourceRoot } = paths
  const own = sources.filter(source => !/(?:^|\/)node_modules\/|^@|:/.test(source))
  return {
    type: 'node',
    request: 'attach',
    name: `${name} (ryo-faas)`,
    address: '127.0.0.1',
    port,
    localRoot,
    remoteRoot,
    sourceMapPathOverrides: Object.fromEntries(own.map(source => [source, join(sourceRoot, source)])),
    resolveSourceMapLocations: [`${localRoot}/**`],
    outFiles: [`${localRoot}/**/*.mjs`],
    skipFiles: ['<node_internals>/**'],
    autoAttachChildProcesses: false,
  }
}
