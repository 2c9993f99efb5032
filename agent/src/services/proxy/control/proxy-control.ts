/** What the agent requests from the proxy apart from accepting routes. */
import { z } from 'zod'
import { ControlClient, type ControlClientOptions } from '../../../routes/index.ts'
import { FunctionCounts, ProxyStats } from '../metrics/summary.ts'

/** Also the proxy's path for it. */
export const CONTROL_PATHS = { stats: '/stats', figures: '/figures' } as const

export class ProxyControl extends ControlClient {
  constructor(options: Omit<ControlClientOptions, 'name'>) {
    super({ name: 'proxy', ...options })
  }

  /** @throws ControlError */
  stats(): Promise<ProxyStats> {
    return this.ask(CONTROL_PATHS.stats, ProxyStats)
  }

  /** @throws ControlError */
  figures(): Promise<FunctionCounts[]> {
    return this.ask(CONTROL_PATHS.figures, z.array(FunctionCounts))
  }
}
