/** Prometheus's own checker for metrics pages and rules. */
import { spawn } from 'node:child_process'

/** @throws if it complains, or is not installed; then with the command that installs it */
export async function promtool(args: string[], input = ''): Promise<void> {
  const child = spawn('promtool', args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (said += piece.toString()))
  child.stdin.on('error', () => undefined) // It exited before reading everything; its exit code says why.
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? new Error('promtool is missing: apt-get install -y prometheus') : error),
    )
    child.once('close', resolve)
  })
  // Warnings set exit code 3 and print text.
  if (code !== 0 || (args[1] === 'metrics' && said !== ''))
    throw new Error(`promtool ${args.join(' ')}: ${code}\n${said}`)
}
