/** Prometheus's own checker, which says what a scrape or a rule would stumble over. */
import { spawn } from 'node:child_process'

/** @throws unless it is content; also when it is not installed, with the command that installs it. */
export async function promtool(args: string[], input = ''): Promise<void> {
  const child = spawn('promtool', args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (said += piece.toString()))
  child.stdin.on('error', () => undefined) // It ended before it read all, and its exit code says why.
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? new Error('promtool is missing: apt-get install -y prometheus') : error),
    )
    child.once('close', resolve)
  })
  // It warns with exit code 3, and with words.
  if (code !== 0 || (args[1] === 'metrics' && said !== ''))
    throw new Error(`promtool ${args.join(' ')}: ${code}\n${said}`)
}
