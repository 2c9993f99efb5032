/**
 * Deploys a function with one instance that accepts a debugger, here or on a server, and attaches the editor's. When debugging ends, the
 * function still runs that way, without a time limit: a normal deploy is offered.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type * as vscode from 'vscode'
import { RyoFaasError, type DebugPaths } from 'ryo-faas/contract'
import { attachOther, attachTo, OTHER_DEBUGGERS, type AttachTarget } from '../debug/attach-configuration.ts'
import { defineCommand, type Needs } from './command.ts'
import { deployOne, type ForDeployOne } from './deploy.ts'

const INSPECTOR_TIMEOUT_MS = 5_000

export const deployAndDebug = defineCommand({
  id: 'ryo-faas.deployAndDebug',
  needsTrust: true,
  row: true,
  run: async (parts: ForDeployOne & Needs<'link' | 'ui'>, argument) => {
    const { editor, ui } = parts
    const deployed = await deployOne(parts, argument, { debug: true })
    if (!deployed) return undefined
    const { name, version, debugPort: port, debugPaths: paths, forward } = deployed
    if (port === undefined || paths === undefined) {
      throw new RyoFaasError('UNSUPPORTED', `the running agent cannot start "${name}" for a debugger`, {
        hint: 'It is older than this extension: restart ryo-faas.',
      })
    }
    const folder = folderOf(parts, name)
    const configuration = await configurationFor(editor, { name, port, paths })
    const ended = editor.debug.onDidTerminateDebugSession(session => {
      if (session.configuration.name !== configuration.name) return
      ended.dispose()
      void forward?.close()
      offerToRedeploy(parts, { name, port: forward?.farPort ?? port })
    })
    if (!(await editor.debug.startDebugging(folder, configuration))) {
      ended.dispose()
      throw new RyoFaasError('PART_FAILED', `the debugger could not attach to "${name}" at 127.0.0.1:${port}`)
    }
    ui.log.info(`debugging ${name} v${version} at 127.0.0.1:${port}`)
    return deployed
  },
})

function folderOf({ editor, link }: Needs<'editor' | 'link'>, name: string): vscode.WorkspaceFolder | undefined {
  const path = link.deployment(name)?.filePath
  return path === undefined ? undefined : editor.workspace.getWorkspaceFolder(editor.Uri.file(path))
}

/** @throws RyoFaasError PART_FAILED, UNSUPPORTED if an extension is missing */
async function configurationFor(
  editor: Needs<'editor'>['editor'],
  target: Omit<AttachTarget, 'sources'>,
): Promise<vscode.DebugConfiguration> {
  const { name, port, paths } = target
  const { protocol = 'inspector' } = paths
  if (protocol === 'inspector') {
    await mustBeAt(port, { name, paths })
    const map = JSON.parse(await readFile(join(paths.localRoot, `${paths.entry}.map`), 'utf8')) as { sources: string[] }
    return attachTo({ ...target, sources: map.sources })
  }
  const { extension, title } = OTHER_DEBUGGERS[protocol]
  if (editor.extensions.getExtension(extension) === undefined) {
    throw new RyoFaasError(
      'UNSUPPORTED',
      `"${name}" waits for a debugger at 127.0.0.1:${port}, which needs an extension`,
      {
        hint: `Install the extension ${title} (${extension}), or attach any other client of the Debug Adapter Protocol.`,
      },
    )
  }
  return attachOther(protocol, target)
}

/**
 * The port was free when it was chosen, and may have been taken since: Node then goes on without its inspector, and the
 * debugger would attach to another program.
 * @throws RyoFaasError PART_FAILED
 */
async function mustBeAt(port: number, { name, paths }: { name: string; paths: DebugPaths }): Promise<void> {
  const signal = AbortSignal.timeout(INSPECTOR_TIMEOUT_MS)
  const targets = await fetch(`http://127.0.0.1:${port}/json/list`, { signal })
    .then(response => response.json() as Promise<{ url: string }[]>)
    .catch(() => [])
  if (targets.some(({ url }) => url.endsWith(`${paths.remoteRoot}/${paths.entry}`))) return
  throw new RyoFaasError('PART_FAILED', `"${name}" is running, but no debugger can attach at 127.0.0.1:${port}`, {
    hint: 'Another program may have taken that port. Try again.',
  })
}

/** Unless it was redeployed or stopped in the meantime. */
function offerToRedeploy(
  { editor, link, ui }: Needs<'editor' | 'link' | 'ui'>,
  { name, port }: { name: string; port: number },
): void {
  if (link.deployment(name)?.debugPort !== port) return
  ui.say(`${name} is still running in debug mode (one instance, no timeout).`, {
    title: 'Redeploy',
    run: () => editor.commands.executeCommand('ryo-faas.deploy', name),
  })
}
