/**
 * A collector in a process of its own, to be killed: `collector-process.ts <folder>`. Says its port on stdout, what it
 * logs on stderr.
 */
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { TEST_KEYS } from '../../../access/access-testing.ts'
import { startCollector } from '../index.ts'

// With a limit on the size of files a write beyond it brings this signal before it brings an error.
process.on('SIGXFSZ', () => undefined)
const collector = await startCollector({
  folder: process.argv[2]!,
  host: '127.0.0.1',
  extraHosts: [],
  hostNames: [],
  port: 0,
  access: TEST_KEYS,
  environment: {},
  logger: pino(process.stderr),
  registry: new Registry(),
  onChange: () => undefined,
})
process.stdout.write(`${collector.port}\n`)
process.stdin.on('data', () => {
  process.stdout.write(`${JSON.stringify(collector.traces.figures())}\n`)
})
