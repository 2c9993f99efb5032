/** Entry of the keeper's process: `keeper-main.js <home>`. */
import { entryPath } from './entries.ts'
import { keepAgent } from './keeper.ts'

const abort = new AbortController()
process.once('SIGTERM', () => abort.abort())
process.once('SIGINT', () => abort.abort())
const home = process.argv[2]!
await keepAgent({
  home,
  command: process.execPath,
  args: [entryPath('agent-main'), home],
  environment: process.env,
  signal: abort.signal,
})
process.exit(0)
