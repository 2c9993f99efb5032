/** The `data` of server-sent events as they come, parsed as JSON. */
export async function* serverSentEvents(response: Response): AsyncGenerator<unknown> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of (response.body ?? []) as unknown as AsyncIterable<Uint8Array>) {
    const events = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
    rest = events.pop()!
    for (const event of events) {
      const data = event.split('\n').filter(line => line.startsWith('data:'))
      if (data.length > 0) yield JSON.parse(data.map(line => line.slice('data:'.length)).join('\n'))
    }
  }
}
