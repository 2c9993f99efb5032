/** The first steps where Docker answers. */
import { execFileSync } from 'node:child_process'
import { describe } from 'vitest'
import { firstSteps } from './first-steps.ts'

describe.skipIf(!dockerAnswers())('the first steps, in containers', () => {
  firstSteps({ pictures: 'docker', areShown: true, engineNote: 'in containers' })
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
