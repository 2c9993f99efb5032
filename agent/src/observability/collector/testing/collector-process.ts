/**
 * A collector in its own process, to be killed: `collector-process.ts <folder>`. Prints its port to stdout, its log to
 * stderr.
 */
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { TEST_KEYS } from '../../../access/access-testing.ts'
import { startCollector } from '../index.ts'

// A write beyond the file size limit raises this signal before it returns an error.
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
