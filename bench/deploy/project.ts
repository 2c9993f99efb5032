/** A project with one function that returns a number in its source: an edit changes that line. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeProject } from '../../agent/test/support/platform.ts'

export interface Project {
  deployFile: string
  /** The edit; returns the function's new response. */
  edit(): Promise<string>
}

export async function makeProject(folder: string, name: string): Promise<Project> {
  let edits = 0
  const code = () => `import type { IncomingMessage, ServerResponse } from 'node:http'

export function ${name}(_request: IncomingMessage, response: ServerResponse): void {
  response.end('edit ${edits}')
}
`
  const deployFile = await writeProject(folder, { [name]: { code: code() } })
  return {
    deployFile,
    edit: async () => {
      edits += 1
      await writeFile(join(folder, name, 'main.ts'), code())
      return `edit ${edits}`
    },
  }
}
