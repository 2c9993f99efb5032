/** The first steps where Docker answers. */
import { execFileSync } from 'node:child_process'
import { describe, test } from 'vitest'
import { meetBreakpoint } from './debugging.ts'
import { IS_WHOLE } from '../../../agent/test/support/whole-suite.ts'
import { firstSteps } from './first-steps.ts'

describe.skipIf(!dockerAnswers())('the first steps, in containers', () => {
  firstSteps({
    pictures: 'docker',
    areShown: true,
    engineNote: 'in containers',
    inBetween: opened => {
      // `operations.test.ts` meets one in a process.
      if (!IS_WHOLE) return
      test('a breakpoint is hit in a container, too', () =>
        meetBreakpoint(opened(), {
          name: 'Method1',
          handler: 'method1/method1.ts',
          file: 'method1/method1.ts',
          line: 9,
          variable: 'data =',
          answer: 'send {"data": "<url>"}\n',
          picture: { name: 'docker-10-breakpoint' },
        }))
    },
  })
})

/** On a machine of one's own it may be missing; not where everything is to be tested. */
function dockerAnswers(): boolean {
  if (process.env['CI'] === 'true') return true
  try {
    execFileSync('docker', ['info'], { stdio: 'ignore' })
    return true
  } catch {
    console.warn('no Docker answers: the first steps are not tried in containers')
    return false
  }
}
