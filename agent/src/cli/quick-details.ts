/** `ryo-faas details` and `list` without loading what other command lines need: two thirds of its time. */
import { quickAnswers } from '../client/index.ts'
import type { DeploymentView, PlatformView, ResourceView } from '../contract/index.ts'
import { showDeployment, showDeployments } from './commands/details.ts'
import { showResources } from './commands/list.ts'
import { Output, type Streams } from './output.ts'

const NAME = /^[A-Za-z]\w*$/

/** @returns whether it was such a command line, and done */
export async function quickDetails(
  argv: readonly string[],
  platform: { home: string; version: string },
  streams: Streams,
): Promise<boolean> {
  const words = argv.filter(word => word !== '--json')
  const [command, name] = words
  if (words.length > 2 || argv.length - words.length > 1) return false
  const output = new Output(streams, argv.includes('--json'))
  if (command === 'list' && name === undefined) {
    const found = await quickAnswers(platform, ['/v1/resources'])
    if (found === undefined) return false
    showResources((found[0] as { resources: ResourceView[] }).resources, output)
    return true
  }
  if (command !== 'details') return false
  if (name !== undefined) {
    const found = NAME.test(name) ? await quickAnswers(platform, [`/v1/deployments/${name}`]) : undefined
    if (found === undefined) return false
    showDeployment(found[0] as DeploymentView, output)
    return true
  }
  const found = await quickAnswers(platform, ['/v1/platform', '/v1/deployments'])
  if (found === undefined) return false
  const [view, { deployments }] = found as [PlatformView, { deployments: DeploymentView[] }]
  showDeployments(view, deployments, output)
  return true
}
