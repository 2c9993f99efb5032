/** Answers of an agent, for tests of what is shown of them. */
import type { DeploymentView, PlatformView } from 'ryo-faas/contract'

export function platformView(more: Partial<PlatformView> = {}): PlatformView {
  return {
    project: 'rfa',
    home: '/home/x/.ryo-faas',
    version: '0.1.0',
    engine: 'process',
    engineNote: 'Docker is not responding',
    isolation: { label: 'as processes, without isolation', warning: 'there is no isolation' },
    capabilities: ['images', 'logs', 'debug'],
    proxyUrl: 'http://127.0.0.1:9999',
    phase: { kind: 'ready' },
    parts: [
      { name: 'agent', state: 'running', pid: 1, restarts: 0, address: '127.0.0.1:9998' },
      { name: 'dispatcher-2', state: 'failing', restarts: 2, note: 'no bus' },
    ],
    ...more,
  }
}

export function deploymentView(more: Partial<DeploymentView> = {}): DeploymentView {
  return {
    name: 'Hello',
    route: 'hello',
    kind: 'http',
    version: 3,
    state: 'running',
    url: 'http://127.0.0.1:9999/functions/hello',
    filePath: '/w/hello.ts',
    desiredInstances: 1,
    instances: [{ id: 'a1', version: 3, state: 'ready', startedAt: '2026-01-01T00:00:00Z' }],
    versions: [
      { version: 2, hash: 'b', createdAt: '2026-01-01T00:00:00Z', active: false },
      { version: 3, hash: 'a', createdAt: '2026-01-02T00:00:00Z', active: true },
    ],
    triggers: [],
    calls: 12,
    errors: 0,
    p95Ms: 8.2,
    ...more,
  }
}
