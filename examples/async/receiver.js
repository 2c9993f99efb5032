/**
 * Receives callbacks and prints each, and whether its signature is valid: `node examples/async/receiver.js [port]`.
 * The secret comes from RYO_FAAS_CALLBACK_SECRET, or else from the platform that runs on this machine.
 */
import { execSync } from 'node:child_process'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'

const port = Number(process.argv[2] ?? 8088)
const webhook = new Webhook(process.env.RYO_FAAS_CALLBACK_SECRET ?? secretOfPlatform())

const server = createServer(async (request, response) => {
  const body = await text(request)
  const { 'x-call-id': callId, 'x-function-name': name, 'x-function-status': status } = request.headers
  console.log(`${name} answered ${status} to call ${callId} after ${request.headers['x-duration-seconds']} s`)
  console.log(`  ${body.trim()}`)
  console.log(`  signature ${verdictOn(body, request.headers)}`)
  // Anything but 2xx would be retried later.
  response.writeHead(204).end()
})
server.listen(port, '127.0.0.1', () => console.log(`callbacks to http://127.0.0.1:${server.address().port}/`))

/** The raw body: parsed and serialized again, it might differ. */
function verdictOn(body, headers) {
  try {
    webhook.verify(body, headers, { jsonParse: false })
    return 'valid'
  } catch (error) {
    return `INVALID: ${error.message}`
  }
}

function secretOfPlatform() {
  return JSON.parse(execSync('npx ryo-faas env --secrets --json', { encoding: 'utf8' })).callbackSecret
}
