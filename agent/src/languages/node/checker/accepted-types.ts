/** The types that handlers are checked against, as the package's own program sees them. */
import { ts } from 'ts-morph'

/** A module that is added to every program. */
export const ACCEPTED_TYPES_SOURCE = `
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { CloudEvent, DocumentEvent, FunctionContext, Service } from '@ryo-faas/runtime'
export type NodeRequest = IncomingMessage
export type NodeResponse = ServerResponse
export type WebRequest = Request
export type WebResponse = Response
export type Context = FunctionContext
export type TriggerEvent = DocumentEvent<any>
export type WholeEvent = CloudEvent<any> & { readonly data: any }
export type Combination = Service
`

const NAMES = [
  'NodeRequest',
  'NodeResponse',
  'WebRequest',
  'WebResponse',
  'Context',
  'TriggerEvent',
  'WholeEvent',
  'Combination',
] as const

export type AcceptedTypes = Record<(typeof NAMES)[number], ts.Type>

export function acceptedTypes(checker: ts.TypeChecker, file: ts.SourceFile): AcceptedTypes {
  const exports = checker.getExportsOfModule(checker.getSymbolAtLocation(file)!)
  const typeOf = (name: string) => checker.getDeclaredTypeOfSymbol(exports.find(symbol => symbol.name === name)!)
  return Object.fromEntries(NAMES.map(name => [name, typeOf(name)])) as AcceptedTypes
}
