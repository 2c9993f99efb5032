/**
 * The dashboard's page and its files. They are the same for everyone and hold no secret; the page fetches its data with
 * the key that only its address contains.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { RyoFaasError } from '../contract/index.ts'

/**
 * Nothing from other origins, nothing inline. Editors may show it in a frame, those in a browser under any host name:
 * without the key the page shows nothing, and it cannot change anything.
 */
const IN_FRAMES = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self' http://127.0.0.1:* http://localhost:* https: vscode-webview: vscode-file:",
].join('; ')
/** Who is signed in can change something: no frame may lay itself over that. */
const ALONE = IN_FRAMES.replace(/frame-ancestors .*/, "frame-ancestors 'none'")

const FILES = {
  '/dashboard': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/dashboard/app.js': { file: 'app.js', type: 'text/javascript; charset=utf-8' },
  '/dashboard/app.css': { file: 'app.css', type: 'text/css; charset=utf-8' },
} as const

/**
 * @param folder of the files
 * @param isBehindFront whether a request is from people elsewhere
 */
export function addDashboard(
  app: FastifyInstance,
  folder: string,
  isBehindFront: (request: FastifyRequest) => boolean,
): void {
  for (const [path, { file, type }] of Object.entries(FILES)) {
    app.get(path, { schema: { hide: true }, config: { needs: 'page' } }, async (request, reply) => {
      const body = await readFile(join(folder, file)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
        throw new RyoFaasError('ROUTE_NOT_FOUND', 'the dashboard has not been built', { hint: 'Run npm run build.' })
      })
      return reply
        .headers({
          'content-type': type,
          'content-security-policy': isBehindFront(request) ? ALONE : IN_FRAMES,
          'cache-control': 'no-cache',
          'referrer-policy': 'no-referrer',
          'x-content-type-options': 'nosniff',
        })
        .send(body)
    })
  }
}
