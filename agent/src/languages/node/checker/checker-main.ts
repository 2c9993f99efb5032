/** The checker in a process of its own: answers one message after another. An entry point. */
import { Checker } from './checker.ts'
import type { CheckerAnswer, CheckerQuestion } from './check-service.ts'
import type { CheckerOptions } from './checker-options.ts'
import { compileDecorated } from './compile.ts'

const types = process.argv[2] === undefined ? undefined : (JSON.parse(process.argv[2]) as CheckerOptions)
const checker = types ? new Checker(types) : new Checker()

process.on('message', (question: CheckerQuestion) => process.send!(answer(question)))
// The agent is gone.
process.on('disconnect', () => process.exit(0))

function answer({ id, requests, compile }: CheckerQuestion): CheckerAnswer {
  try {
    if (compile) return { id, code: compileDecorated(compile) }
    if (requests.length === 0) checker.warmUp()
    return { id, outcomes: requests.map(request => checker.check(request)) }
  } catch (error) {
    return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}
