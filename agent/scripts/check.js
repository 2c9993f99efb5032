/**
 * `npm run check`, after the build: what is independent runs at the same time, in two lanes, because the linter alone takes
 * as long as everything else. The output of each step comes in one piece, as soon as the step has ended.
 */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'

// The machine's own Node, also for units: npm puts the one of the parts first in the PATH.
const node = process.env['npm_node_execpath'] ?? process.execPath
const units = 'node_modules/vitest/vitest.mjs run --project unit'
// The gate adds them to the tests that it runs afterwards (`test/run-all.ts`).
const report = '--reporter=default --reporter=json --outputFile.json=out/units.json'

const LANES = [
  // The types of tests, examples and docs: nothing is made of them, so the build leaves them out.
  ['tsc -b', 'eslint .'],
  [
    'knip',
    'npm run -s check:packages',
    'prettier --check .',
    `"${node}" ${units} ${report}`,
    // Functions run on the other one.
    ...(node === process.execPath ? [] : [`"${process.execPath}" ${units} runtime/src`]),
  ],
]

const running = new Set()
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const child of running) child.kill(signal)
    process.exit(130)
  })
}

/** A lane goes on after a failure: all that is wrong is said at once. */
async function runLane(commands) {
  let isGood = true
  for (const command of commands) isGood = (await runStep(command)) && isGood
  return isGood
}

async function runStep(command) {
  const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  const ended = new Promise(done => child.once('close', done))
  const [out, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  running.delete(child)
  process.stdout.write(`$ ${command}\n${out}`)
  process.stderr.write(errors)
  if (code !== 0) console.error(`${command} exited with ${code}`)
  return code === 0
}

const good = await Promise.all(LANES.map(runLane))
process.exitCode = good.every(Boolean) ? 0 : 1
