/** Whether all parts of a platform on several machines agree in the end. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { request } from 'undici'
import type { RouteTable } from '../../src/routes/index.ts'
import type { MachineCluster } from '../support/machine-cluster.ts'
import { until } from '../support/until.ts'
import type { LiveProxies } from './live-proxies.ts'

const AGREE_MS = 30_000
const CALLS_EACH = 10

/** @param version of `hello`, that was deployed last */
export async function divergingFaults(
  cluster: MachineCluster,
  proxies: LiveProxies,
  version: number,
): Promise<string[]> {
  let faults: string[] = []
  // What was changed last may be on its way.
  await until(
    async () => {
      faults = await differences(cluster, proxies, version).catch((error: Error) => [error.message])
      return faults.length === 0 || undefined
    },
    AGREE_MS,
    'all agree',
  ).catch(() => undefined)
  return faults
}

async function differences(cluster: MachineCluster, proxies: LiveProxies, version: number): Promise<string[]> {
  const leading = await cluster.leader()
  if (leading === undefined) return ['no agent leads']
  const tables = await Promise.all([
    tableOf('the leading machine', join(leading.platform.home, 'run', 'routes.json')),
    ...cluster.members.map(({ machine, proxy }) =>
      tableOf(machine.name, join(proxy!.home, 'proxies', machine.name, 'routes.json')),
    ),
  ])
  const [first, ...rest] = tables as [Awaited<ReturnType<typeof tableOf>>, ...typeof tables]
  const diverging = rest.filter(({ routes }) => !isDeepStrictEqual(routes, first.routes))
  const { deployments } = await cluster.details(leading)
  const wanted = deployments.flatMap(({ instances }) => instances.map(({ id }) => id)).sort()
  const running = (
    await Promise.all(cluster.members.map(({ machine }) => instancesOn(machine.docker, leading.platform.project)))
  )
    .flat()
    .sort()
  const answers = await Promise.all(proxies.all.map(async url => [url, await versionsAt(url)] as const))
  return [
    ...diverging.map(({ name }) => `the routes of ${name} diverge from those of the leading machine`),
    ...(isDeepStrictEqual(running, wanted) ? [] : [`there run ${running.join()} and should ${wanted.join()}`]),
    ...(answers.length === cluster.members.length + 1 ? [] : [`${answers.length} proxies serve`]),
    ...answers
      .filter(([, found]) => found !== String(version))
      .map(([url, found]) => `${url} serves the version ${found} and should ${version}`),
  ]
}

async function tableOf(name: string, file: string) {
  const { routes } = JSON.parse(await readFile(file, 'utf8')) as RouteTable
  return { name, routes: [...routes].sort((one, other) => one.name.localeCompare(other.name)) }
}

async function instancesOn(
  docker: MachineCluster['members'][number]['machine']['docker'],
  project: string,
): Promise<string[]> {
  const containers = await docker.listContainers({ filters: { label: [`${project}.instance`] } })
  return containers.map(({ Labels }) => Labels[`${project}.instance`]!)
}

async function versionsAt(url: string): Promise<string> {
  const found = new Set<string>()
  for (let n = 0; n < CALLS_EACH; n++) {
    const { headers, body } = await request(`${url}/functions/hello`, { method: 'POST', body: 'x' })
    await body.dump()
    found.add(String(headers['x-version']))
  }
  return [...found].join()
}
