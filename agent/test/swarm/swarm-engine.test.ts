/** The contract of engines on three machines. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll } from 'vitest'
import { SwarmEngine } from '../../src/engines/swarm/swarm-engine.ts'
import { engineContract } from '../engine/engine-contract.ts'
import { Machines } from '../support/machines.ts'

let machines: Machines
beforeAll(async () => {
  machines = await Machines.start(3)
  await machines.makeSwarm()
})
afterAll(() => machines.stop())

engineContract('swarm', home => {
  const project = `rfat${randomBytes(4).toString('hex')}`
  return {
    has: ['images', 'logs'],
    isolates: true,
    limitsMemory: true,
    make: async () =>
      new SwarmEngine({
        ...{ docker: machines.all[0]!.docker, note: '', project, home },
        sourceOf: async () => ({ kind: 'assemble', nodePath: process.execPath }),
      }),
  }
})
