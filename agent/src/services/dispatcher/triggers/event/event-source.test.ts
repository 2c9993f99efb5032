import { triggerSourceContract } from '../testing/trigger-source-contract.ts'
import { EventSource } from './event-source.ts'

triggerSourceContract(stage => ({
  source: new EventSource(stage.sourceDependencies),
  spec: { filters: [{ kind: 'event', type: 'com.example.*' }] },
  happen: async count => {
    for (let i = 0; i < count; i += 1) await stage.publish()
  },
}))
