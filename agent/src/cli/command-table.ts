/** Every command, in the groups in which the help shows them. A command's module is loaded when the command is used. */
import type { Command } from './context.ts'

type Load = () => Promise<Command>

const GROUPS: Record<string, Record<string, Load>> = {
  'Get started': {
    dev: async () => (await import('./commands/dev.ts')).dev,
    init: async () => (await import('./commands/init.ts')).init,
    types: async () => (await import('./commands/types.ts')).types,
    check: async () => (await import('./commands/check.ts')).check,
    deploy: async () => (await import('./commands/deploy.ts')).deploy,
  },
  Functions: {
    details: async () => (await import('./commands/details.ts')).details,
    invoke: async () => (await import('./commands/invoke.ts')).invoke,
    test: async () => (await import('./commands/test.ts')).test,
    open: async () => (await import('./commands/open.ts')).open,
    logs: async () => (await import('./commands/logs.ts')).logs,
    scale: async () => (await import('./commands/operations.ts')).scale,
    rollback: async () => (await import('./commands/operations.ts')).rollback,
    stop: async () => (await import('./commands/operations.ts')).stop,
  },
  'Calls and data': {
    calls: async () => (await import('./commands/calls.ts')).calls,
    events: async () => (await import('./commands/events.ts')).events,
    schedules: async () => (await import('./commands/schedules.ts')).schedules,
    clock: async () => (await import('./commands/clock.ts')).clock,
    store: async () => (await import('./commands/store.ts')).store,
    keys: async () => (await import('./commands/keys.ts')).keys,
    secrets: async () => (await import('./commands/secrets.ts')).secrets,
    traces: async () => (await import('./commands/traces.ts')).traces,
    top: async () => (await import('./commands/top.ts')).top,
    dashboard: async () => (await import('./commands/dashboard.ts')).dashboard,
  },
  Platform: {
    startFaas: async () => (await import('./commands/start-faas.ts')).startFaas,
    stopFaas: async () => (await import('./commands/stop-faas.ts')).stopFaas,
    proxy: async () => (await import('./commands/proxy.ts')).proxy,
    doctor: async () => (await import('./commands/doctor.ts')).doctor,
    env: async () => (await import('./commands/env.ts')).env,
    server: async () => (await import('./commands/server.ts')).server,
    token: async () => (await import('./commands/token.ts')).token,
    service: async () => (await import('./commands/service.ts')).service,
    audit: async () => (await import('./commands/audit.ts')).audit,
    backup: async () => (await import('./commands/backup.ts')).backup,
    restore: async () => (await import('./commands/backup.ts')).restore,
    export: async () => (await import('./commands/export.ts')).exportCommand,
    list: async () => (await import('./commands/list.ts')).list,
    prune: async () => (await import('./commands/operations.ts')).prune,
    reset: async () => (await import('./commands/operations.ts')).reset,
  },
}
const LOADS: Record<string, Load> = Object.assign({}, ...Object.values(GROUPS)) as Record<string, Load>

export function groupNames(): [group: string, commands: string[]][] {
  return Object.entries(GROUPS).map(([group, commands]) => [group, Object.keys(commands)])
}

export function commandNames(): string[] {
  return Object.keys(LOADS)
}

/** `undefined` if no command has this name. */
export async function loadCommand(name = ''): Promise<Command | undefined> {
  return Object.hasOwn(LOADS, name) ? LOADS[name]!() : undefined
}

export function loadAll(): Promise<Command[]> {
  return Promise.all(Object.values(LOADS).map(load => load()))
}
