/** The phases of the start, one after the other. */
import type { TraceStore } from '../observability/collector/index.ts'
import { CallerKeys, type Deployer } from '../deployments/index.ts'
import { Backups } from './backup/take-backup.ts'
import type { FrontCertificates } from './front-certificates.ts'
import type { Launch } from './launch.ts'
import { startObserving } from './observing.ts'
import { startCertificates, startControlPlane, startDataPlane, startFoundation } from './phases.ts'

/** What requests need that are refused until the platform is ready. */
export interface ReadyPlatform {
  deployer: Deployer
  keys: CallerKeys
  traces: TraceStore
  backups: Backups
}

/** Resolves when everything runs; what was started is in `launch.started`, also if it fails. */
export async function startPlatform(
  launch: Launch,
): Promise<ReadyPlatform & { certificates: FrontCertificates | undefined }> {
  const { timeline, home, routes, started, options, version } = launch
  const foundation = await timeline.measure('foundation', () => startFoundation(launch))
  const observing = await timeline.measure('collector', () => startObserving(launch, foundation.reach))
  const dataPlane = await timeline.measure('data plane', () => startDataPlane(launch, foundation, observing))
  const deployer = await startControlPlane(launch, foundation, { dataPlane, observing })
  const publish = () => deployer.publish()
  const keys = new CallerKeys({
    ...{ state: home.state, publish },
    uses: () => routes.keyUses(),
    notReached: () => routes.far.notReached(),
  })
  started.add(keys)
  const backups = new Backups({
    ...{ home: home.folder, version, options, nats: foundation.nats.part },
    store: () => ({ url: `http://127.0.0.1:${dataPlane.ports.store}`, token: home.secrets.keys.operator }),
  })
  const certificates = await startCertificates(launch, foundation)
  return { deployer, keys, traces: observing.traces, backups, certificates }
}
