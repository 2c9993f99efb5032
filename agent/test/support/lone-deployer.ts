/** The real deployer with nothing around it: what it publishes goes where a test wants it, and nobody else is asked. */
import { join } from 'node:path'
import { FUNCTIONS_PREFIX } from '@ryo-faas/runtime/protocol'
import { TEST_KEYS } from '../../src/access/access-testing.ts'
import { Credentials } from '../../src/access/index.ts'
import { Deployer, type DeployerOptions } from '../../src/deployments/index.ts'
import { StateStore } from '../../src/deployments/state/index.ts'
import { PackageStore } from '../../src/packages/index.ts'
import { SecretStore } from '../../src/secrets/index.ts'

type Given = Pick<DeployerOptions, 'home' | 'engine' | 'languages' | 'routes'> & Partial<DeployerOptions>

/** @param given.proxyUrl where functions are said to be served; nothing has to be there */
export async function loneDeployer({
  proxyUrl = 'http://127.0.0.1:1',
  ...given
}: Given & { proxyUrl?: string }): Promise<Deployer> {
  const { home } = given
  const credentials = new Credentials(TEST_KEYS)
  const absent = (what: string) => () => Promise.reject(new Error(`there is no ${what}`))
  return new Deployer({
    state: given.state ?? (await StateStore.open(join(home, 'state.json'))),
    version: '0',
    packages: new PackageStore(join(home, 'packages')),
    secrets: new SecretStore(home),
    proxy: { stats: absent('proxy') },
    demand: [],
    queues: [],
    clock: { option: 'system', isAdopted: false, followers: [] },
    surroundings: () => ({
      proxyUrl,
      tokenOf: claims => credentials.functionToken(claims),
      deliveryTokenOf: route => credentials.deliveryToken(route),
    }),
    now: absent('store'),
    urlOf: route => proxyUrl + FUNCTIONS_PREFIX + route,
    maxInstances: 10,
    startTimeoutMs: 30_000,
    patienceMs: 30_000,
    onWaiting: () => undefined,
    onColdStart: () => undefined,
    onChange: () => undefined,
    onRemoved: () => undefined,
    log: { warn: () => undefined },
    ...given,
  })
}
