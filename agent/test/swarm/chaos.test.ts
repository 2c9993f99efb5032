/** A whole machine is killed under load and comes back; `chaos/machines-chaos.ts` runs longer. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CHAOS_SCALE, CHAOS_SEED } from '../chaos/chaos-scale.ts'
import { runMachinesChaos } from '../chaos/machines-run.ts'
import { MachineCluster } from '../support/machine-cluster.ts'

const LIMIT_MS = 240_000 * CHAOS_SCALE
const START_MS = 120_000

let cluster: MachineCluster
beforeAll(async () => {
  cluster = await MachineCluster.start()
}, START_MS)
afterAll(async () => {
  await cluster?.remove()
})

test(
  'the leading machine is killed: nothing that was acknowledged is lost, and all agree in the end',
  { timeout: LIMIT_MS + 60_000 },
  async () => {
    const seed = Number(CHAOS_SEED ?? 1)
    const report = await runMachinesChaos(cluster, {
      ...{ seed, rounds: CHAOS_SCALE, perSecond: 100, limitMs: LIMIT_MS },
    })
    expect({ seed, faults: report.faults }).toEqual({ seed, faults: [] })
    expect(report.troubles.map(({ kind }) => kind)[0]).toBe('kill the leading')
    expect(Math.min(report.accepted, report.events, report.times, report.sync.answered)).toBeGreaterThan(0)
  },
)
