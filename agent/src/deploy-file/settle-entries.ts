/** Settles entries that come without their file, as those of an artefact do. */
import { resolve } from 'node:path'
import { parseTree } from 'jsonc-parser'
import { RyoFaasError, type DeployEntry } from '../contract/index.ts'
import { settledEntries, type DeploySettings } from './entry-settings.ts'
import { SourceMap } from './source-map.ts'

/**
 * @param entries as `portableEntry` gives them
 * @param file what stands for their file in problems; its `.env` files are in `base`
 * @throws RyoFaasError DEPLOY_FILE_INVALID with all problems
 */
export async function settleEntries(
  entries: readonly DeployEntry[],
  settings: DeploySettings,
  { base, file }: { base: string; file: string },
): Promise<{ entries: DeployEntry[]; notes: string[] }> {
  const absolute = entries.map(entry => ({
    ...entry,
    packageDir: resolve(base, entry.packageDir),
    filePath: resolve(base, entry.filePath),
  }))
  // In one line: there is no text in which a user could look.
  const text = JSON.stringify({ deploy: entries })
  const source = new SourceMap(file, text, parseTree(text))
  const { settled, problems } = await settledEntries(absolute, settings, { base, source })
  if (problems.length > 0) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
    const located = problems.map(({ code, message, hint }) => {
      return { code, message, file, line: 1, column: 1, ...(hint !== undefined && { hint }) }
    })
    throw new RyoFaasError('DEPLOY_FILE_INVALID', `${file} has ${count}; nothing was deployed`, { problems: located })
  }
  return { entries: settled.map(({ entry }) => entry), notes: settled.flatMap(({ notes }) => notes) }
}
