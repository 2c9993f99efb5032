/**
 * Reads a stream of server-sent events (WHATWG HTML, 9.2.6) as far as our own servers use it: the data of each event,
 * parsed as JSON.
 */
export async function* serverSentEvents(response: Response): AsyncGenerator<unknown> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    const events = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
    rest = events.pop()!
    for (const event of events) {
      const data = event.split('\n').filter(line => line.startsWith('data:'))
      if (data.length > 0) yield JSON.parse(data.map(line => line.slice('data:'.length)).join('\n'))
    }
  }
}
