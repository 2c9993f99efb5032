/**
 * The API of Docker on another machine, through ssh and the docker command there. What is sent, such as a token, is in no
 * command line of either machine.
 */
import { PassThrough } from 'node:stream'
import { RyoFaasError, type DockerThere } from '../../contract/index.ts'
import type { Context } from '../context.ts'
import { shell, type Remote } from './remote.ts'

export function dockerThere(remote: Remote, context: Context): DockerThere {
  return async (method, path, body) => {
    const content = body === undefined ? '' : JSON.stringify(body)
    // 1.0: nothing is in chunks, and Docker hangs up when it is done. An end of ours would cancel what it is doing.
    const input = new PassThrough()
    input.write(
      [
        `${method} ${path} HTTP/1.0`,
        'Host: docker',
        'Content-Type: application/json',
        `Content-Length: ${Buffer.byteLength(content)}`,
        ...['', content],
      ].join('\r\n'),
    )
    const said = await shell(remote, { script: 'exec docker system dial-stdio', input }, context)
    const [, status, answer = ''] = /^HTTP\/1\.\d (\d+)[^]*?\r\n\r\n([^]*)$/.exec(said) ?? []
    if (status === undefined) {
      throw new RyoFaasError('DOCKER_UNREACHABLE', `Docker on ${remote.target} does not answer`, {
        hint: 'Install it there, start it, and let this user use it (group docker).',
      })
    }
    return { status: Number(status), body: answer }
  }
}
