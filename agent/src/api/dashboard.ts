/**
 * The dashboard's page and its files. They are the same for everybody and hold no secret; the figures are asked for with
 * the key that only the page's address tells.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { RyoFaasError } from '../contract/index.ts'

/**
 * Nothing from elsewhere, nothing inline. An editor may show it in a frame, one in a browser under whatever name: without
 * the key the page shows nothing, and it can change nothing.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self' http://127.0.0.1:* http://localhost:* https: vscode-webview: vscode-file:",
].join('; ')

const FILES = {
  '/dashboard': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/dashboard/app.js': { file: 'app.js', type: 'text/javascript; charset=utf-8' },
  '/dashboard/app.css': { file: 'app.css', type: 'text/css; charset=utf-8' },
} as const

export const DASHBOARD_PATHS: ReadonlySet<string> = new Set(Object.keys(FILES))

/** @param folder where the files lie. */
export function addDashboard(app: FastifyInstance, folder: string): void {
  for (const [path, { file, type }] of Object.entries(FILES)) {
    app.get(path, { schema: { hide: true } }, async (_request, reply) => {
      const body = await readFile(join(folder, file)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
        throw new RyoFaasError('ROUTE_NOT_FOUND', 'the dashboard was not built', { hint: 'npm run build builds it.' })
      })
      return reply
        .headers({
          'content-type': type,
          'content-security-policy': POLICY,
          'cache-control': 'no-cache',
          'referrer-policy': 'no-referrer',
          'x-content-type-options': 'nosniff',
        })
        .send(body)
    })
  }
}
