/** A project of one function whose answer is a number in its source: editing it is changing that one line. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeProject } from '../../agent/test/support/platform.ts'

export interface Project {
  deployFile: string
  /** The edit; answers what the function says from now on. */
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
