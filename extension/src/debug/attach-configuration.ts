/** The configurations with which debuggers of the editor attach to a function. Pure. */
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

/** Debuggers that other extensions bring, by what the function's debugger speaks. */
export const OTHER_DEBUGGERS = {
  debugpy: { extension: 'ms-python.debugpy', title: 'Python Debugger' },
  delve: { extension: 'golang.go', title: 'Go' },
} as const

/** Python runs a copy of the package; what Go built says where its sources are. */
export function attachOther(
  protocol: keyof typeof OTHER_DEBUGGERS,
  { name, port, paths: { remoteRoot, sourceRoot } }: Omit<AttachTarget, 'sources'>,
): vscode.DebugConfiguration {
  const common = { request: 'attach', name: `${name} (ryo-faas)` }
  switch (protocol) {
    case 'debugpy':
      return {
        ...{ type: 'debugpy', ...common, connect: { host: '127.0.0.1', port } },
        ...{ pathMappings: [{ localRoot: sourceRoot, remoteRoot }], justMyCode: true },
      }
    case 'delve':
      return { type: 'go', ...common, mode: 'remote', debugAdapter: 'dlv-dap', host: '127.0.0.1', port }
  }
}
