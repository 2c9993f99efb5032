/**
 * Our parser of responses beside Node's (llhttp, strict), on the same bytes: well-formed answers, changed at random from
 * a seed. What we take, llhttp takes as well, and reads the same; where we refuse more, nobody gets a wrong answer.
 *
 * `FUZZ_ROUNDS` runs more, `FUZZ_SEED` others.
 */
import http from 'node:http'
import { Duplex } from 'node:stream'
import { expect, test } from 'vitest'
import { SeededRandom } from '../../../../test/chaos/seeded-random.ts'
import { mutated } from '../../../../test/proofs/mutations.ts'
import { ResponseParser } from './response-parser.ts'
import { UpstreamError } from './upstream-error.ts'
import { IS_WHOLE } from '../../../../test/support/whole-suite.ts'

const SEED = Number(process.env['FUZZ_SEED'] ?? 1)
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? (IS_WHOLE ? 4_000 : 1_500))

const HELLO = 'Content-Type: text/plain\r\n'
const SEEDS = [
  `HTTP/1.1 200 OK\r\n${HELLO}Content-Length: 5\r\n\r\nhello`,
  `HTTP/1.1 200 OK\r\n${HELLO}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3;a=b\r\nabc\r\n1A\r\n${'z'.repeat(26)}\r\n0\r\nX: y\r\n\r\n`,
  `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok`,
  `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`,
  `HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n`,
  `HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 12\r\n\r\n`,
  `HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end`,
  `HTTP/1.0 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nold`,
  `HTTP/1.1 200 \r\nX-Empty:\r\nX-Latin: caf\xe9\r\nContent-Length: 3\r\n\r\nabc`,
]

/** Lines and bytes at which parsers have differed. */
const DICTIONARY = [
  'Content-Length: 5\r\n',
  'Content-Length: 6\r\n',
  'Content-Length: +5\r\n',
  'Content-Length: 5, 5\r\n',
  'Content-Length : 5\r\n',
  'content-length:\t5 \r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding: chunked, identity\r\n',
  'Transfer-Encoding: xchunked\r\n',
  'Transfer-Encoding:\x0bchunked\r\n',
  'Connection: close, content-length\r\n',
  'Connection: upgrade\r\nUpgrade: x\r\n',
  'X-Fold: a\r\n b\r\n',
  ': nameless\r\n',
  'No colon\r\n',
  'HTTP/1.1 200 OK\r\n\r\n',
  '\r\n',
  '\n',
  '\r',
  '\0',
  '0x5\r\n',
  '00000000000000005\r\n',
  'fffffffffffffffff\r\n',
  '-1\r\n',
  ';x="\r\n"\r\n',
]

/** `length`: bytes up to the end of the answer. */
type Taken = { kind: 'taken'; status: number; body: string; headers: string[]; length: number }
type Outcome = Taken | { kind: 'refused' } | { kind: 'unfinished' }

/** @param splits where the bytes are cut into reads */
function ours(bytes: Buffer, splits: readonly number[]): Outcome {
  let outcome: Outcome | undefined
  let head: { status: number; headers: string[] } | undefined
  let body = ''
  let length = 0
  const parser = new ResponseParser({
    onInformational: () => undefined,
    onWhole: (whole, text) => (outcome = taken(whole, text)),
    onHead: found => (head = found),
    onData: piece => (body += piece.toString('latin1')),
    onEnd: () => (outcome = taken(head!, body)),
    onUpgrade: () => (outcome = { kind: 'refused' }),
  })
  const taken = (of: { status: number; headers: string[] }, text: string): Taken => ({
    ...{ kind: 'taken', status: of.status, headers: of.headers, body: text, length },
  })
  parser.expect({ method: 'GET', isUpgrade: false })
  try {
    for (const to of [...splits, bytes.length]) {
      const from = length
      length = to
      if (to > from) parser.write(bytes.subarray(from, to), to - from)
      // What follows a whole answer is another matter: the connection is given up.
      if (outcome !== undefined) return outcome
    }
    parser.end()
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error
    if (error.kind === 'protocol') return { kind: 'refused' }
  }
  return outcome ?? { kind: 'unfinished' }
}

function llhttp(bytes: Buffer): Promise<Outcome> {
  return new Promise(resolve => {
    const socket = new Duplex({ read: () => undefined, write: (_piece, _encoding, done) => done() })
    const request = http.request({ createConnection: () => socket })
    request.on('response', response => {
      let body = ''
      response.setEncoding('latin1')
      response.on('data', (piece: string) => (body += piece))
      response.on('end', () => {
        const { statusCode: status, rawHeaders: headers } = response
        resolve({ kind: 'taken', status: status!, headers, body, length: bytes.length })
        socket.destroy()
      })
      response.on('error', () => resolve({ kind: 'unfinished' }))
    })
    request.on('upgrade', () => resolve({ kind: 'refused' }))
    request.on('error', (error: NodeJS.ErrnoException) =>
      resolve({ kind: error.code?.startsWith('HPE_') === true ? 'refused' : 'unfinished' }),
    )
    request.end()
    socket.push(bytes)
    socket.push(null)
  })
}

/** Extensions of chunks and trailers are skipped, not read: llhttp is spared those that are malformed. */
function withoutSkipped(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1')
  const heads = /^(?:HTTP\/1\.[01] 1\d\d.*?\r\n\r\n)*.*?\r\n\r\n/s.exec(text)?.[0] ?? ''
  if (!/\r\ntransfer-encoding:/i.test(heads)) return bytes
  let plain = heads
  for (let at = heads.length; at < text.length;) {
    const [line = '', digits = ''] = /([0-9a-f]+).*?\r\n/isy.exec(text.slice(at)) ?? []
    const size = parseInt(digits, 16)
    plain += `${digits}\r\n${size === 0 ? '\r\n' : text.slice(at + line.length, at + line.length + size + 2)}`
    if (!(size > 0)) break
    at += line.length + size + 2
  }
  return Buffer.from(plain, 'latin1')
}

/** Those that pass: what ends at each hop was taken off ours. */
function passing(headers: readonly string[], wanted: readonly string[]): string[] {
  const names = new Set(wanted.filter((_, i) => i % 2 === 0).map(name => name.toLowerCase()))
  return headers.flatMap((name, i) =>
    i % 2 === 0 && names.has(name.toLowerCase()) ? [name, headers[i + 1]!.replace(/^[ \t]+$/, '')] : [],
  )
}

test(`what we take of ${ROUNDS} changed answers (seed ${SEED}), llhttp takes as well, and reads the same`, async () => {
  const random = new SeededRandom(SEED)
  const counts = { taken: 0, refused: 0, unfinished: 0 }
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = mutated(random, SEEDS, DICTIONARY)
    const shown = JSON.stringify(bytes.toString('latin1'))
    // A byte at a time tells where the answer ends.
    const mine = ours(
      bytes,
      Array.from(bytes, (_, i) => i),
    )
    counts[mine.kind] += 1
    const whole = mine.kind === 'taken' ? bytes.subarray(0, mine.length) : bytes
    const splits = [random.below(whole.length + 1), random.below(whole.length + 1)].sort((a, b) => a - b)
    expect(ours(whole, splits), `cut at ${splits.join()}: ${shown}`).toEqual(mine)
    if (mine.kind !== 'taken') continue
    const theirs = await llhttp(withoutSkipped(whole))
    expect(theirs.kind, shown).toBe('taken')
    if (theirs.kind !== 'taken') continue
    expect({ status: mine.status, body: mine.body }, shown).toEqual({ status: theirs.status, body: theirs.body })
    expect(mine.headers, shown).toEqual(passing(theirs.headers, mine.headers))
  }
  // Both kinds were met often enough to mean something.
  expect(counts.taken).toBeGreaterThan(ROUNDS / 10)
  expect(counts.refused).toBeGreaterThan(ROUNDS / 10)
})
