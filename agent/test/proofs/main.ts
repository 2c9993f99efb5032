/**
 * `npm run proofs`: runs the suites of `suites.ts`, prints a table of them and writes it to docs/proofs.md.
 *
 *   --long       more rounds and calls in the suites with a seed
 *   --seed <n>   another seed for them
 *   --only <t>   suites whose name contains <t>; the lines of others stay as they are
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { globSync } from 'tinyglobby'
import { ensureDocker } from '../support/docker-daemon.ts'
import { ensureInstalled, SYSTEM_PACKAGES } from '../support/system-packages.ts'
import { PAGE, pageOf, type Line } from './page.ts'
import { SUITES, type Suite } from './suites.ts'

const LONG = { FUZZ_ROUNDS: '20000', CHAOS_SCALE: '10' }

interface Report {
  testResults: { name: string; assertionResults: { status: string; fullName: string }[] }[]
}

const { values } = parseArgs({
  options: {
    long: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
})

async function main(): Promise<number> {
  const { only = '' } = values
  const suites = SUITES.filter(({ name }) => name.toLowerCase().includes(only.toLowerCase()))
  await ensureInstalled(SYSTEM_PACKAGES)
  const stopDocker = await ensureDocker()
  try {
    const report = await run(suites.flatMap(({ files }) => globSync([...files])))
    const lines = suites.map(suite => lineOf(suite, report))
    const seed = `${values.seed}${values.long ? ', long' : ''}`
    const page = pageOf(SUITES, { run: lines, seed, before: await readFile(PAGE, 'utf8') })
    console.log(`\n${page}`)
    await writeFile(PAGE, page)
    return lines.every(({ passed, total }) => total > 0 && passed === total) ? 0 : 1
  } finally {
    await stopDocker()
  }
}

async function run(files: string[]): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), 'ryo-faas-proofs-'))
  try {
    const output = join(folder, 'report.json')
    const args = ['node_modules/vitest/vitest.mjs', 'run', ...files]
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${output}`]
    const env = {
      ...process.env,
      RYO_FAAS_TESTS: 'all',
      FUZZ_SEED: values.seed,
      CHAOS_SEED: values.seed,
      ...(values.long && LONG),
    }
    const child = spawn(process.execPath, [...args, ...reporters], { stdio: 'inherit', env })
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
    await once(child, 'exit')
    return JSON.parse(await readFile(output, 'utf8')) as Report
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function lineOf(suite: Suite, { testResults }: Report): Line {
  const files = new Set(globSync([...suite.files]))
  const tests = testResults
    .filter(({ name }) => files.has(relative(process.cwd(), name)))
    .flatMap(({ assertionResults }) => assertionResults)
  return { suite, total: tests.length, passed: tests.filter(({ status }) => status === 'passed').length }
}

process.exitCode = await main()
