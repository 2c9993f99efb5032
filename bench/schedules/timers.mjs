/** What the schedules are measured beside: a bare timer for each time, and a plain request. Argument: what to do, as JSON. */
import http from 'node:http'

const { url, begin, count, windowMs } = JSON.parse(process.argv[2])
const agent = new http.Agent({ keepAlive: true })
// It is looked at after its last request, and then killed.
setInterval(() => {}, 2 ** 30)
for (let i = 0; i < count; i += 1) {
  const at = begin + Math.round((i * windowMs) / count)
  setTimeout(() => {
    const headers = { 'x-scheduled-at': new Date(at).toISOString() }
    http.request(url, { method: 'POST', agent, headers }, response => response.resume()).end()
  }, at - Date.now())
}
