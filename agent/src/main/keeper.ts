/** Entry of the keeper's process: `keeper.js <home>`. */
import { agentArgs } from '../platform/entries.ts'
import { keepAgent } from '../platform/keeper.ts'

const abort = new AbortController()
process.once('SIGTERM', () => abort.abort())
process.once('SIGINT', () => abort.abort())
const home = process.argv[2]!
await keepAgent({
  home,
  command: process.execPath,
  args: agentArgs(home),
  environment: process.env,
  signal: abort.signal,
})
process.exit(0)
