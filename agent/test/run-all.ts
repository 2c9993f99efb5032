/**
 * `npm test` and `npm run test:all`: makes sure that everything the tests need is available, then runs them.
 *
 * As root (or with CI=true) it installs what is missing, and starts a Docker engine if none is running, to stop it at
 * the end. Otherwise one line says what is missing and how to get it. Arguments are passed to vitest.
 *
 * The last line counts all tests: `N passed, N failed, N skipped`. A skipped test is a failure in CI. The report that
 * `RYO_FAAS_COUNTED` names, of tests that were run just before, is counted as well.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureDocker } from './support/docker-daemon.ts'
import { ensureInstalled, SYSTEM_PACKAGES } from './support/system-packages.ts'

/** What we need of vitest's JSON report. */
interface Report {
  success: boolean
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
}

async function main(): Promise<number> {
  try {
    await ensureInstalled(SYSTEM_PACKAGES)
  } catch (error) {
    console.error((error as Error).message)
    return 1
  }
  const stopDocker = await ensureDocker()
  const folder = await mkdtemp(join(tmpdir(), 'ryo-faas-report-'))
  try {
    const report = join(folder, 'report.json')
    const status = await vitest(['--reporter=default', '--reporter=json', `--outputFile.json=${report}`])
    const counted = process.env['RYO_FAAS_COUNTED']
    const before = counted === undefined ? [] : [await readReport(counted)]
    return conclude([...before, await readReport(report)], status)
  } finally {
    await rm(folder, { recursive: true, force: true })
    await stopDocker()
  }
}

/** Returns its exit code. Ctrl-C reaches it as well, and it is waited for. */
async function vitest(reporters: string[]): Promise<number> {
  const args = ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...process.argv.slice(2)]
  const child = spawn(process.execPath, args, { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}

async function readReport(file: string): Promise<Report> {
  return JSON.parse(await readFile(file, 'utf8')) as Report
}

function conclude(reports: Report[], status: number): number {
  const sum = (of: (report: Report) => number) => reports.reduce((total, report) => total + of(report), 0)
  const passed = sum(report => report.numPassedTests)
  const skipped = sum(report => report.numPendingTests + report.numTodoTests)
  const noted = sum(report => report.numFailedTests)
  // Errors outside tests count as one.
  const failed = noted + (status !== 0 && noted === 0 ? 1 : 0)
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
  const isGate = process.env['CI'] === 'true'
  return failed > 0 || passed === 0 || (isGate && skipped > 0) ? 1 : 0
}

main().then(
  code => (process.exitCode = code),
  (error: unknown) => {
    console.error((error as Error).message)
    process.exitCode = 1
  },
)
