/** Measured inside the extension host, in a workspace of 1,500 files; written as JSON for `main.ts` to print. */
import { writeFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as vscode from 'vscode'
import { diagnostics, extension, lenses, open, replaceAll, until } from '../test/host/support.ts'

const handler = (n: number) => `import { value } from './module-8.ts'
export function Hello(request: Request): Response {
  return new Response('Hello ${n}' + value)
}
`
const broken = (n: number) => handler(n).replace('request: Request', 'request: string')
const EDITS = 500
const CHECKS = 20

export function defineFigures(): void {
  describe('figures', () => {
    it('are written down', async function () {
      this.timeout(300_000)
      const { handlers, activationMs } = await extension()
      const document = await open('src/module-7.ts')
      await replaceAll(document, handler(0))
      await until(async () => (await lenses(document)).length > 0)
      await until(() => handlers.verdicts(document).isCurrent)

      const lensMs: number[] = []
      const heapBefore = heapBytes()
      for (let n = 0; n < EDITS; n++) {
        await replaceAll(document, handler(n))
        const begin = performance.now()
        await handlers.lensSites(document)
        lensMs.push(performance.now() - begin)
      }
      await until(() => handlers.verdicts(document).isCurrent)
      const heapAfter = heapBytes()

      const checkMs: number[] = []
      for (let n = 0; n < CHECKS; n++) {
        await replaceAll(document, broken(n))
        const begin = performance.now()
        await until(() => diagnostics(document).length > 0)
        checkMs.push(performance.now() - begin)
        await replaceAll(document, handler(n))
        await until(() => diagnostics(document).length === 0)
      }
      const figures = {
        'activate, which awaits nothing (ms)': activationMs,
        'lens answer, p95 (ms)': percentile(lensMs, 0.95),
        'diagnostic after the last key, p95 (ms)': percentile(checkMs, 0.95),
        [`growth of the extension host's heap in ${EDITS} edits (MB)`]: (heapAfter - heapBefore) / 1e6,
      }
      writeFileSync(process.env['RYO_FAAS_FIGURES']!, JSON.stringify(figures))
      await vscode.commands.executeCommand('workbench.action.files.revert')
    })
  })
}

/** What is left after a collection. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}

function percentile(values: number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
}
