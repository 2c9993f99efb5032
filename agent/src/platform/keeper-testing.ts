/** A stand-in for the agent's process in the keeper's test: `keeper-testing.ts <home>`. */
import { appendFile, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { homePaths } from '../client/index.ts'
import { answerProof } from '../contract/index.ts'
import { announceAgent } from './home-data.ts'

const home = process.argv[2]!
const token = await readFile(homePaths(home).token, 'utf8')
const server = createServer((request, response) => {
  response.end(answerProof(token, { url: request.url!, port: request.socket.localPort! }))
  void appendFile(join(home, 'asked'), `${process.pid}\n`)
})
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  void announceAgent(home, { port, project: 'p', version: '0' })
})
