/** The agent's own metrics. */
import { Gauge, Registry } from 'prom-client'
import { addProcessMetrics } from '../host/index.ts'
import type { Deployer } from '../deployments/index.ts'

export class AgentMetrics {
  readonly registry = new Registry()

  constructor(deployer: () => Deployer | undefined) {
    addProcessMetrics(this.registry)
    const instances = new Gauge({
      name: 'faas_instances',
      help: 'Instances of a function by state',
      labelNames: ['faas_name', 'state'],
      registers: [this.registry],
      collect: async () => {
        instances.reset()
        for (const view of (await deployer()?.list()) ?? []) {
          for (const { state } of view.instances) instances.inc({ faas_name: view.name, state })
        }
      },
    })
  }
}
