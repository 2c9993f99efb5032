/** The agent's own metrics. */
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Deployer } from './deployer/index.ts'

export class AgentMetrics {
  readonly registry = new Registry()

  constructor(deployer: () => Deployer | undefined) {
    collectDefaultMetrics({ register: this.registry })
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

  async text(): Promise<{ contentType: string; body: string }> {
    return { contentType: this.registry.contentType, body: await this.registry.metrics() }
  }
}
