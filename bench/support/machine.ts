/** The machine of the measurement. */
import { execFileSync } from 'node:child_process'
import { cpus, release, totalmem } from 'node:os'
import { functionNode } from './places.ts'

export function describeMachine(): string {
  const [first] = cpus()
  const parts = [
    `${first?.model.trim() ?? 'unknown CPU'}, ${cpus().length} cores`,
    `${Math.round(totalmem() / 1024 ** 3)} GiB`,
    `Linux ${release()}`,
    `Node ${process.versions.node} (functions: ${versionFrom(functionNode, ['--version'])})`,
    `Docker ${versionFrom('docker', ['version', '--format', '{{.Server.Version}}'])}`,
    `nginx ${versionFrom('nginx', ['-v'])}`,
    `HAProxy ${versionFrom('haproxy', ['-v'])}`,
    `nats-server ${versionFrom('nats-server', ['--version'])}`,
  ]
  return parts.join(' · ')
}

/** The first version number that the program prints; nginx prints it to standard error. */
function versionFrom(command: string, args: string[]): string {
  try {
    const text = execFileSync('sh', ['-c', '"$0" "$@" 2>&1', command, ...args], { encoding: 'utf8' })
    return /\d+\.\d+[\w.]*/.exec(text)?.[0] ?? 'unknown'
  } catch {
    return 'absent' // The bench that needs it reports that.
  }
}
