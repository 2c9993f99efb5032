/**
 * kubectl without a cluster. Even a dry run asks a server which kinds there are, so a small one says so; whether objects fit
 * their schemas is for `manifests.test.ts`.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ensureInstalled, programOf } from './system-packages.ts'

const KINDS: Record<string, [name: string, kind: string][]> = {
  v1: [
    ['secrets', 'Secret'],
    ['configmaps', 'ConfigMap'],
    ['services', 'Service'],
  ],
  'apps/v1': [['deployments', 'Deployment']],
  'batch/v1': [['cronjobs', 'CronJob']],
  'networking.k8s.io/v1': [['networkpolicies', 'NetworkPolicy']],
}

const ANSWERS: Record<string, object> = {
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/apis': {
    ...{ kind: 'APIGroupList', apiVersion: 'v1' },
    groups: Object.keys(KINDS)
      .filter(group => group.includes('/'))
      .map(groupVersion => {
        const [name, version] = groupVersion.split('/')
        return { name, versions: [{ groupVersion, version }], preferredVersion: { groupVersion, version } }
      }),
  },
  ...Object.fromEntries(
    Object.entries(KINDS).map(([groupVersion, kinds]) => [
      `/${groupVersion.includes('/') ? 'apis' : 'api'}/${groupVersion}`,
      {
        ...{ kind: 'APIResourceList', apiVersion: 'v1', groupVersion },
        resources: kinds.map(([name, kind]) => ({ name, singularName: '', namespaced: true, kind, verbs: ['create'] })),
      },
    ]),
  ),
}

export interface KubectlObject {
  kind: string
  metadata: { name: string }
}

/** The objects of these files, as kubectl reads them. @throws what kubectl says */
export async function dryRun(path: string): Promise<KubectlObject[]> {
  await ensureInstalled(['kubernetes-client'])
  const home = await mkdtemp(join(tmpdir(), 'rfa-kubectl-'))
  const server = createServer(({ url = '' }, response) => {
    const answer = ANSWERS[url.replace(/\?.*/, '')]
    response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(answer ?? { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 404 }))
  })
  try {
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const args = ['create', '--dry-run=client', '--validate=false', '-o', 'json', '-f', path, '--server', address]
    const env = { ...process.env, HOME: home, KUBECONFIG: join(home, 'none') }
    const { stdout } = await promisify(execFile)(programOf('kubernetes-client')!, args, { env })
    // One after the other.
    return JSON.parse(`[${stdout.replaceAll(/^\}\n\{/gm, '},{')}]`) as KubectlObject[]
  } finally {
    server.close()
    server.closeAllConnections()
    await rm(home, { recursive: true, force: true })
  }
}
