/** A process that publishes with acknowledgement as fast as it can. Arguments: a JSON `RawPublish`; prints a rate. */
import { connect } from 'nats'

export interface RawPublish {
  url: string
  user: string
  password: string
  subject: string
  payloadBytes: number
  inFlight: number
  seconds: number
}

const options = JSON.parse(process.argv[2]!) as RawPublish
const connection = await connect({ servers: options.url, user: options.user, pass: options.password })
const jetstream = connection.jetstream()
const payload = Buffer.alloc(options.payloadBytes, 'x')
const begin = performance.now()
const end = begin + options.seconds * 1000
let count = 0
await Promise.all(
  Array.from({ length: options.inFlight }, async () => {
    for (; performance.now() < end; count += 1) await jetstream.publish(options.subject, payload)
  }),
)
console.log((count * 1000) / (performance.now() - begin))
await connection.close()
