/** Handlers that are not called over HTTP: of changes, of events, and services, which are many in one. */
import { NODE, useChecker } from './testing/judged-cases.ts'

const { accepts, rejects } = useChecker()

const RUNTIME = `import type { CloudEvent, CloudEventHandler, DocumentEvent, FunctionContext, Service, TriggerHandler } from '@ryo-faas/runtime'\n`

accepts([
  {
    title: 'a trigger',
    kind: 'trigger',
    code:
      RUNTIME +
      `export async function HelloWorld(e: DocumentEvent<{ a: number }>, c: FunctionContext) { c.log.info(e.after?.a) }`,
    style: 'trigger',
  },
  {
    title: 'a const of type TriggerHandler',
    kind: 'trigger',
    code: RUNTIME + `export const HelloWorld: TriggerHandler<{ a: number }> = e => { e.id }`,
    style: 'trigger',
  },
  {
    title: 'a trigger without types',
    kind: 'trigger',
    file: 'handler.js',
    code: `export const HelloWorld = e => {}`,
    style: 'trigger',
  },
  {
    title: 'a trigger that ignores the event',
    kind: 'trigger',
    code: `export async function HelloWorld() {}`,
    style: 'trigger',
  },
  {
    title: 'a trigger that takes whole events',
    kind: 'trigger',
    on: ['event'],
    code:
      RUNTIME +
      `export async function HelloWorld({ id, data }: CloudEvent<{ a: number }>) { console.log(id, data?.a) }`,
    style: 'trigger',
    takesCloudEvent: true,
  },
  {
    title: 'a trigger for documents that takes whole events',
    kind: 'trigger',
    on: ['document'],
    code:
      RUNTIME + `export const HelloWorld: CloudEventHandler<DocumentEvent<{ a: number }>> = e => { e.data?.after?.a }`,
    style: 'trigger',
    takesCloudEvent: true,
  },
  {
    title: 'a trigger for both',
    kind: 'trigger',
    on: ['document', 'event'],
    code: RUNTIME + `export async function HelloWorld(e: CloudEvent) { e.type }`,
    style: 'trigger',
    takesCloudEvent: true,
  },
  {
    title: 'a trigger that says itself what it needs of an event',
    kind: 'trigger',
    on: ['event'],
    code: `export function HelloWorld(e: { type: string; data: { a: number } }) { e.data.a }`,
    style: 'trigger',
    takesCloudEvent: true,
  },
  {
    title: 'a trigger on events without types',
    kind: 'trigger',
    on: ['event'],
    file: 'handler.js',
    code: `export const HelloWorld = e => {}`,
    style: 'trigger',
  },
  {
    title: 'the main of a service',
    kind: 'service',
    code: RUNTIME + `export function main(service: Service) { service.onStart(() => {}) }`,
    style: 'service',
    exportName: 'main',
  },
])

rejects([
  {
    title: 'a trigger that takes a request',
    kind: 'trigger',
    code: NODE + `export function HelloWorld(q: IncomingMessage) {}`,
    problem: 'wrong-parameters',
    at: 'q: IncomingMessage',
    says: /but DocumentEvent is passed/,
    hints: /event: DocumentEvent/,
  },
  {
    title: 'a trigger that wants more',
    kind: 'trigger',
    code: RUNTIME + `export function HelloWorld(e: DocumentEvent, c: FunctionContext, more: string) {}`,
    problem: 'wrong-parameters',
    at: 'more: string',
    says: /only 2 arguments/,
  },
  {
    title: 'a trigger on events that takes a change of a document',
    kind: 'trigger',
    on: ['document', 'event'],
    code: RUNTIME + `export function HelloWorld(e: DocumentEvent) {}`,
    problem: 'wrong-parameters',
    at: 'e: DocumentEvent',
    says: /but CloudEvent is passed/,
    hints: /event: CloudEvent<T>/,
  },
  {
    title: 'a service without main',
    kind: 'service',
    code: RUNTIME + `export function HelloWorld(service: Service) {}`,
    problem: 'no-such-export',
    says: /no export "main"/,
  },
  {
    title: 'a main that takes no service',
    kind: 'service',
    code: `export function main() {}`,
    problem: 'wrong-parameters',
    at: 'main',
    says: /no service to register on/,
  },
  {
    title: 'a main that takes something else',
    kind: 'service',
    code: `export function main(port: number) {}`,
    problem: 'wrong-parameters',
    at: 'port: number',
    says: /but Service is passed/,
    hints: /main\(service: Service\)/,
  },
])
