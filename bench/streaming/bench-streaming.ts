/**
 * A large body through the proxy, up and down: how fast, and how much the proxy's memory grows. A streaming proxy holds
 * only what is in transit, whatever the size of the body.
 */
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nginx, ours } from '../proxy/peers.ts'
import { median, ratio, takeTurns } from '../support/figures.ts'
import { functionNode } from '../support/places.ts'
import { peakBytes, resetPeak } from '../support/processes.ts'
import { freePort, run, startProgram, type Program } from '../support/programs.ts'
import { figure, times, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'

const MIB = 1024 ** 2

export const streamingBench: Bench = {
  name: 'streaming',
  title: 'Large bodies',
  method:
    'curl sends (up) or receives (down) 1 GiB through each proxy, to or from a bare node:http server; in turns, nginx without buffering. Growth is the peak resident memory during a transfer minus the resident memory before it.',
  run: benchStreaming,
}

interface Transfer {
  mibPerSecond: number
  growthMib: number
}

interface Candidate {
  name: string
  running: Program
}

async function benchStreaming(stage: Stage): Promise<Report> {
  const rounds = stage.quick ? 1 : 5
  const bytes = (stage.quick ? 128 : 1024) * MIB
  const file = join(stage.folder, 'body')
  await sparseFile(file, bytes)
  const fn = await startFunction(stage, bytes)
  const candidates: Candidate[] = [
    { name: 'direct', running: fn },
    ...(await Promise.all(
      [nginx('streamed'), ours(1)].map(async peer => ({ name: peer.name, running: await peer.start(stage, fn.port) })),
    )),
  ]
  const directions = { down: ['--output', '/dev/null'], up: ['--upload-file', file, '--output', '/dev/null'] }
  const tables = []
  for (const [direction, args] of Object.entries(directions)) {
    const results = await takeTurns(candidates, rounds, ({ name, running }, round) => {
      stage.say(`round ${round + 1} of ${rounds}: ${direction}, ${name}`)
      return transfer(running, args, bytes)
    })
    tables.push({ title: direction, head: HEAD, rows: candidates.map(({ name }, index) => row(name, results, index)) })
  }
  return { tables, goals: [] }
}

const HEAD = ['', 'MiB/s', 'of direct', '× nginx', 'growth MiB']

function row(name: string, results: Transfer[][], index: number): string[] {
  const speed = results.map(transfers => transfers.map(({ mibPerSecond }) => mibPerSecond))
  const [direct, reference] = speed
  return [
    name,
    figure(median(speed[index]!)),
    times(ratio(speed[index]!, direct!)),
    index === 0 ? '–' : times(ratio(speed[index]!, reference!)),
    index === 0 ? '–' : figure(median(results[index]!.map(({ growthMib }) => growthMib))),
  ]
}

async function transfer({ url, pid }: Program, args: string[], bytes: number): Promise<Transfer> {
  const before = await resetPeak(pid)
  const begin = performance.now()
  await run('curl', ['--silent', '--show-error', '--fail', '--header', 'Expect:', ...args, url])
  const seconds = (performance.now() - begin) / 1000
  return { mibPerSecond: bytes / MIB / seconds, growthMib: (peakBytes(pid) - before) / MIB }
}

/** A sparse file: takes no disk space and reads as zeros. */
async function sparseFile(path: string, bytes: number): Promise<void> {
  const handle = await open(path, 'w')
  await handle.truncate(bytes)
  await handle.close()
}

/** GET sends `bytes`, any other method counts what it receives and returns the number. */
async function startFunction(stage: Stage, bytes: number): Promise<Program & { port: number }> {
  const port = await freePort()
  const file = join(stage.folder, 'streaming-function.cjs')
  await writeFile(
    file,
    `const { createServer } = require('node:http')
const { pipeline, Readable } = require('node:stream')
const piece = Buffer.alloc(64 * 1024)
createServer((request, response) => {
  if (request.method === 'HEAD') return response.end()
  if (request.method === 'GET') {
    let left = request.headers['user-agent']?.startsWith('curl') ? ${bytes} : 0
    response.setHeader('content-length', left)
    const body = new Readable({
      read() {
        left -= piece.length
        this.push(left >= 0 ? piece : null)
      },
    })
    return pipeline(body, response, () => undefined)
  }
  let received = 0
  request.on('data', data => (received += data.length))
  request.on('end', () => response.end(String(received)))
}).listen(${port}, '127.0.0.1')
`,
  )
  const url = `http://127.0.0.1:${port}/`
  return { ...(await startProgram(stage, { command: functionNode, args: [file], url })), port }
}
