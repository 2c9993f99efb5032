/** The kinds of triggers, one line each; the contract's `Trigger` has their schemas. */
import type { TriggerKind } from '../../../contract/index.ts'
import { DocumentSource } from './document/document-source.ts'
import type { SourceFactory } from './source.ts'

export const TRIGGER_SOURCES: Readonly<Record<TriggerKind, SourceFactory>> = {
  document: dependencies => new DocumentSource(dependencies),
}
