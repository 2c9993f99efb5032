import { describe } from 'vitest'
import { TheirServer } from '../../../../bus/testing/their-server.ts'
import type { NatsTrigger } from '../../../../contract/index.ts'
import { triggerSourceContract } from '../testing/trigger-source-contract.ts'
import { NatsSource } from './nats-source.ts'

describe.each(['a durable consumer', 'core subjects'] as const)('through %s', way => {
  triggerSourceContract<{ filters: NatsTrigger[] }>(async stage => {
    const isForgetful = way === 'core subjects'
    const server = await TheirServer.start()
    stage.onEnd(() => server.stop())
    if (!isForgetful) await server.stream('ORDERS', 'orders.>')
    const trigger = { kind: 'nats', server: 'SERVER', subject: 'orders.>' } as const
    return {
      source: new NatsSource(stage.sourceDependencies),
      spec: { filters: [{ ...trigger, ...(isForgetful ? { queue: 'us' } : { durable: 'ours' }) }] },
      secrets: { SERVER: server.url },
      isForgetful,
      isRedelivered: true,
      happen: async count => {
        for (let i = 0; i < count; i += 1) await server.send('orders.new', JSON.stringify({ i }))
      },
    }
  })
})
