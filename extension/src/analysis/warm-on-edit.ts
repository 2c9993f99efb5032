/**
 * The agent's checker ends when nobody deploys for a while, and with it what it knew of the packages. Whoever types in the
 * package of a deployed function is going to save and deploy it: by then the checker is back.
 */
import { sep } from 'node:path'
import type * as vscode from 'vscode'
import type { Deploys } from '../agent/deploys.ts'
import type { PlatformLink } from '../agent/platform-link.ts'
import type { Vscode } from '../editor/editor.ts'
import { isOfNode } from '../project/deploy-file.ts'
import type { DeployFiles, FoundEntry } from '../project/deploy-files.ts'
import { isFile } from '../project/open-file.ts'

/** Shorter than what the checker is idle for before it ends. */
const WARM_MS = 10 * 60_000

export interface WarmOnEditOptions {
  editor: Vscode
  projects: Pick<DeployFiles, 'all'>
  link: Pick<PlatformLink, 'deployment' | 'isReady'>
  deploys: Pick<Deploys, 'warm'>
  now?: () => number
}

export function warmOnEdit({ editor, projects, link, deploys, now = Date.now }: WarmOnEditOptions): vscode.Disposable {
  /** By package: when it was asked for last. */
  const warmed = new Map<string, number>()
  const deployedIn = (file: string): FoundEntry | undefined =>
    projects.all
      .flatMap(({ file: deployFile, entries }) => entries.map(entry => ({ ...entry, deployFile })))
      .find(
        entry =>
          isOfNode(entry) && file.startsWith(entry.packageDir + sep) && link.deployment(entry.name) !== undefined,
      )
  return editor.workspace.onDidChangeTextDocument(({ document: { isDirty, uri } }) => {
    if (!isDirty || !isFile(uri) || !link.isReady || !editor.workspace.isTrusted) return
    const entry = deployedIn(uri.fsPath)
    if (entry === undefined || now() - (warmed.get(entry.packageDir) ?? -WARM_MS) < WARM_MS) return
    warmed.set(entry.packageDir, now())
    // The deploy says what is wrong.
    void deploys.warm(entry.deployFile, entry.name).catch(() => warmed.delete(entry.packageDir))
  })
}
