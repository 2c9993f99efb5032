/**
 * Runs inside the editor's extension host: by the server build in `host.test.ts`, by `@vscode/test-electron` in
 * `electron.ts`. A file beside it says which suite to run, and where its report goes.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineFirstSteps } from './first-steps.suite.ts'
import { defineQuiet } from './quiet.suite.ts'
import { defineFigures } from '../../bench/figures.suite.ts'

const SUITES = {
  'first-steps': defineFirstSteps,
  quiet: defineQuiet,
  figures: defineFigures,
}

/** What is in `task.json`. */
export interface HostTask {
  suite: keyof typeof SUITES
  /** Absolute path. */
  report: string
}

export interface HostReport {
  passed: string[]
  failed: { title: string; error: string }[]
  pending: string[]
}

export async function run(): Promise<void> {
  // A module of its own kind since version 12.
  const { default: Mocha } = await import('mocha')
  const mocha = new Mocha({ timeout: 100_000, color: false })
  const report: HostReport = { passed: [], failed: [], pending: [] }
  mocha.suite.emit('pre-require', globalThis, '', mocha)
  const task = JSON.parse(readFileSync(join(__dirname, 'task.json'), 'utf8')) as HostTask
  SUITES[task.suite]()
  await new Promise<void>(resolve => {
    mocha
      .run(() => resolve())
      .on('pass', test => report.passed.push(test.fullTitle()))
      .on('pending', test => report.pending.push(test.fullTitle()))
      .on('fail', (test, error: Error) =>
        report.failed.push({ title: test.fullTitle(), error: error.stack ?? error.message }),
      )
  })
  writeFileSync(task.report, JSON.stringify(report))
  if (report.failed.length > 0) throw new Error(`${report.failed.length} failed`)
}
