import type { Command } from '../context.ts'
import type { ResourceView } from '../../contract/index.ts'
import { formatBytes, type Output } from '../output.ts'

export const list: Command = {
  usage: 'list',
  describe: 'List the images and containers of this project',
  run: async (_, { output, connect }) => {
    const { resources } = await (await connect()).call('resources', {})
    showResources(resources, output)
  },
}

export function showResources(resources: ResourceView[], output: Output): void {
  output.value(resources)
  if (resources.length === 0) return output.line('No resources.')
  output.table(
    ['TYPE', 'NAME', 'DEPLOYMENT', 'VERSION', 'STATE', 'SIZE', 'CREATED'],
    resources.map(({ type, name, deployment, version, state, sizeBytes, createdAt }) => [
      type,
      name,
      deployment,
      version,
      state,
      sizeBytes === undefined ? '-' : formatBytes(sizeBytes),
      createdAt,
    ]),
    ['CREATED', 'DEPLOYMENT', 'VERSION', 'SIZE'],
  )
}
