/**
 * A second language, for tests: shell scripts, without our runtime. A function is one file, which listens
 * through a program that it starts; its instances do not identify themselves.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { RyoFaasError, type Problem } from '../../contract/index.ts'
import type { Bundle, CheckOutcome, FunctionSource, Language } from '../language.ts'

export const SHELL: Language = {
  name: 'shell',
  endings: ['.sh'],
  protocol: 1,
  base: 'shell',
  check: sources => Promise.all(sources.map(checkScript)),
  command: ({ folder, entry }) => ['/bin/sh', join(folder, entry)],
}

async function checkScript({ name, kind, filePath }: FunctionSource): Promise<CheckOutcome> {
  const said = await new Promise<string>(resolve => {
    execFile('/bin/sh', ['-n', filePath], (_error, _stdout, stderr) => resolve(stderr))
  })
  // `main.sh: 3: Syntax error: …` or `main.sh: line 3: syntax error …`
  const [, line, message] = /: (?:line )?(\d+): (.*)/.exec(said) ?? []
  const rejected = (problem: Pick<Problem, 'code' | 'message' | 'line'>): CheckOutcome => ({
    kind: 'rejected',
    problems: [{ ...problem, file: filePath, column: 1 }],
  })
  if (message !== undefined) return rejected({ code: 'syntax-error', message, line: Number(line) })
  if (kind !== 'http') return rejected({ code: 'wrong-kind', message: `"${name}" can only be called`, line: 1 })
  return { kind: 'accepted', bundle: signal => bundleScript({ name, filePath }, signal) }
}

async function bundleScript({ name, filePath }: Pick<FunctionSource, 'name' | 'filePath'>, signal: AbortSignal) {
  if (signal.aborted) throw new RyoFaasError('CANCELLED', `building ${name} was cancelled`)
  const code = await readFile(filePath)
  const entry = basename(filePath)
  const bundle: Bundle = {
    hash: createHash('sha256').update(`${entry}\0`).update(code).digest('hex').slice(0, 16),
    notes: [],
    write: async versionDir => {
      const unfinished = `${versionDir}.tmp`
      await mkdir(join(unfinished, 'app'), { recursive: true })
      await writeFile(join(unfinished, 'app', entry), code)
      await chmod(join(unfinished, 'app', entry), 0o755)
      await rm(versionDir, { recursive: true, force: true })
      await rename(unfinished, versionDir)
      return { dir: join(versionDir, 'app'), entry }
    },
  }
  return bundle
}

/** A script that serves a given text with the program that runs this test. */
export function servingScript(answer: string): string {
  return `#!/bin/sh
exec "${process.execPath}" -e '
const server = require("node:http").createServer((request, response) => response.end(${JSON.stringify(answer)}))
server.listen(Number(process.env.RYO_FAAS_PORT), process.env.RYO_FAAS_HOST, () => {
  const ready = { port: server.address().port, pid: process.pid }
  require("node:fs").writeFileSync(process.env.RYO_FAAS_READY_FILE, JSON.stringify(ready))
})
process.on("SIGTERM", () => process.exit(0))
'
`
}
