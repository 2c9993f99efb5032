import { triggerSourceContract } from '../testing/trigger-source-contract.ts'
import { DocumentSource } from './document-source.ts'

triggerSourceContract(stage => ({
  source: new DocumentSource(stage.sourceDependencies),
  spec: { filters: [{ table: 'payments', events: ['updated-doc'] }] },
  happen: async count => {
    for (let i = 0; i < count; i += 1) await stage.change()
  },
}))
