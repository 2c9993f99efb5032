/** Where a platform keeps its files. */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

/** RYO_FAAS_HOME, else `~/.ryo-faas`. */
export function homeFrom(environment: NodeJS.ProcessEnv): string {
  return resolve(environment['RYO_FAAS_HOME'] || join(homedir(), '.ryo-faas'))
}

export function homePaths(home: string) {
  return {
    agentFile: join(home, 'agent.json'),
    token: join(home, 'token'),
    callbackSecret: join(home, 'callback-secret'),
    proxyKey: join(home, 'proxy-key'),
    options: join(home, 'run', 'options.json'),
    /** Options of a stopped platform: only with the same project and engine can its remains be removed. */
    stoppedOptions: join(home, 'run', 'stopped-options.json'),
    lock: join(home, 'run', 'agent.lock'),
    startFailure: join(home, 'run', 'start-failure.json'),
    servers: join(home, 'servers.json'),
    auditLog: join(home, 'audit.jsonl'),
    agentLog: join(home, 'logs', 'agent.log'),
  }
}
