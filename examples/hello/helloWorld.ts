import type { IncomingMessage, ServerResponse } from 'node:http'

export function HelloWorld(_request: IncomingMessage, response: ServerResponse): void {
  response.end('Hello, World!\n')
}
