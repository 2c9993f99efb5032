/** What the builder knows about the Node that functions run on. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** NODE_MODULE_VERSION of a Node. */
export async function modulesOf(nodePath: string): Promise<string> {
  if (nodePath === process.execPath) return process.versions.modules
  const { stdout } = await promisify(execFile)(nodePath, ['-p', 'process.versions.modules'])
  return stdout.trim()
}
