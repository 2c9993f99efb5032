/** The environment that deploys from the editor are for. */
import { readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Ui } from '../editor/ui.ts'
import type { LoadedFiles } from '../project/deploy-files.ts'
import { defineCommand, type Needs } from './command.ts'

interface ForChoice extends Needs<'editor'> {
  ui: Pick<Ui, 'pick'>
  projects: { load(): Promise<Pick<LoadedFiles, 'all'>> }
}

const NONE = 'No environment'
/** `.env.staging` and `.env.staging.local`. */
const FILE = /^\.env\.(?!local$|example$|sample$|template$)([A-Za-z0-9][\w-]*)(?:\.local)?$/

export const chooseEnvironment = defineCommand({
  id: 'ryo-faas.chooseEnvironment',
  needsTrust: false,
  run: async ({ editor, ui, projects }: ForChoice) => {
    const { all } = await projects.load()
    const names = new Set(all.flatMap(({ environments }) => environments))
    for (const { file, entries } of all) {
      const folders = new Set([dirname(file), ...entries.map(({ packageDir }) => packageDir)])
      for (const folder of folders) for (const name of await namedIn(folder)) names.add(name)
    }
    const items = [
      { label: NONE, description: 'the settings of the entries as they are', name: undefined },
      ...[...names].sort().map(name => ({ label: name, description: `as with --env ${name}`, name })),
    ]
    const { name } = await ui.pick(items, 'For which environment are functions deployed?')
    // In the workspace's settings; the user's own would hold for every project.
    await editor.workspace.getConfiguration('ryo-faas').update('environment', name, false)
  },
})

async function namedIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []) // It may be gone, or named wrongly.
  return names.flatMap(name => FILE.exec(name)?.[1] ?? [])
}
