/**
 * Two storage engines that survive power loss, in process: documents of the same size, as many per transaction as there
 * are writers. Arguments: folder, transactions. Prints writes per second as JSON.
 */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { open } from 'lmdb'

const [folder, transactions] = [process.argv[2], Number(process.argv[3])]
const TOGETHER = 64
const text = JSON.stringify({ customer: 'Ada Lovelace', amount: 12, city: 'Kiel', tags: ['a', 'b'] })
let next = 0

const lmdb = open({ path: join(folder, 'lmdb'), encoding: 'string', overlappingSync: false })
const sqlite = new DatabaseSync(join(folder, 'sqlite.db'))
sqlite.exec(
  'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE documents (id TEXT PRIMARY KEY, text TEXT)',
)
const insert = sqlite.prepare('INSERT INTO documents VALUES (?, ?)')

const ENGINES = {
  lmdb: count =>
    lmdb.transactionSync(() => {
      for (let i = 0; i < count; i += 1) lmdb.putSync(`d${next++}`, text)
    }),
  sqlite: count => {
    sqlite.exec('BEGIN')
    for (let i = 0; i < count; i += 1) insert.run(`d${next++}`, text)
    sqlite.exec('COMMIT')
  },
}

function perSecond(engine, count, rounds) {
  const begin = performance.now()
  for (let round = 0; round < rounds; round += 1) ENGINES[engine](count)
  return (count * rounds) / ((performance.now() - begin) / 1_000)
}

const results = {}
for (const engine of ['lmdb', 'sqlite', 'lmdb', 'sqlite']) {
  results[engine] = { together: perSecond(engine, TOGETHER, transactions), alone: perSecond(engine, 1, transactions) }
}
console.log(JSON.stringify(results))
await lmdb.close()
sqlite.close()
