/** `npm run examples`: starts the platform, deploys the examples and calls them; `npm run examples -- go`: those in Go, or in `python`. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../agent/bin/ryo-faas.js', import.meta.url))
const request = ['--data', '{"data":"/functions/method2/asked/by/method1"}']
const CALLS = [['HelloWorld'], ['Method1', ...request], ['Method2', '--path', '/a/path?x=1']]
const SETS = {
  node: { folder: 'examples', calls: CALLS },
  go: { folder: 'examples/go', calls: [...CALLS, ['Database-events', '--path', '/pay']] },
  python: { folder: 'examples/python', calls: [...CALLS, ['Database-events', '--path', '/pay']] },
}

const [wanted = 'node'] = process.argv.slice(2)
const set = SETS[wanted]
if (set === undefined) {
  console.error(`There are no examples in ${wanted}; there are: ${Object.keys(SETS).join(', ')}`)
  process.exit(1)
}
ryoFaas('startFaas', '--yes')
ryoFaas('deploy', set.folder)
for (const call of set.calls) ryoFaas('invoke', ...call)

function ryoFaas(...args) {
  const { status } = spawnSync(process.execPath, [program, ...args], {
    stdio: 'inherit',
    cwd: fileURLToPath(new URL('..', import.meta.url)),
  })
  // It has said itself what is wrong.
  if (status !== 0) process.exit(status ?? 1)
}
