/** A page for an HTTP API, from its OpenAPI document. */
import { block, code, pageHead, prose, table } from './markdown.ts'
import type { Content, OpenApi, Operation, Parameter, Schema } from './open-api.ts'
import { boundsOf, shapeOf, type NameOf } from './shape.ts'

export interface ApiPage {
  title: string
  about: string
  document: OpenApi
  nameOf?: NameOf
}

export function apiPage({ title, about, document, nameOf }: ApiPage): string {
  const shapes = new Map<string, Schema>(Object.entries(document.components?.schemas ?? {}))
  const named: NameOf = schema => {
    const name = nameOf?.(schema)
    if (name !== undefined) shapes.set(name, schema)
    return name
  }
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
  const sections = operations.map(({ method, path, operation }) => {
    const isOpen = (operation.security ?? document.security ?? []).length === 0
    return [
      `## ${method} ${path.replaceAll('{', '\\{')} {#${anchorOf(operation, `${method} ${path}`)}}\n`,
      `${prose(operation.summary ?? '')}.${isOpen ? ' Needs no token.' : ''}\n`,
      operation.description === undefined ? '' : `${prose(operation.description)}\n`,
      parametersOf(operation.parameters),
      bodyOf(operation, named),
      responsesOf(operation, named),
    ]
      .filter(text => text !== '')
      .join('\n')
  })
  const list = table(
    ['request', ''],
    operations.map(({ method, path, operation }) => [
      `[${code(`${method} ${path}`)}](#${anchorOf(operation, `${method} ${path}`)})`,
      prose(operation.summary ?? ''),
    ]),
  )
  return [pageHead(title, about), list, ...sections, shapesOf(shapes, named)].join('\n').trimEnd() + '\n'
}

function anchorOf({ operationId }: Operation, otherwise: string): string {
  return (operationId ?? otherwise).toLowerCase().replace(/[^a-z0-9]+/g, '-')
}

function parametersOf(parameters: Parameter[] = []): string {
  if (parameters.length === 0) return ''
  const rows = parameters.map(({ name, in: place, required, description = '', schema }) => [
    code(name),
    place,
    `${code(shapeOf(schema))}${required ? '' : ', optional'}`,
    prose([description, boundsOf(schema), defaultOf(schema)].filter(text => text !== '').join('; ')),
  ])
  return table(['parameter', 'in', 'type', ''], rows)
}

function defaultOf({ default: value }: Schema): string {
  return value === undefined ? '' : `default ${code(JSON.stringify(value))}`
}

function bodyOf({ requestBody }: Operation, nameOf: NameOf): string {
  if (requestBody === undefined) return ''
  return contentsOf(requestBody.content, nameOf)
    .map(({ type, text }) => `Body, ${code(type)}:\n\n${block('ts', text)}`)
    .join('\n')
}

/** Those that say something: errors have one shape, which the page tells once. */
function responsesOf({ responses }: Operation, nameOf: NameOf): string {
  return Object.entries(responses)
    .filter(([status]) => Number(status) < 400)
    .map(([status, { description = '', content = {} }]) => {
      const about = description === 'Default Response' ? '' : `: ${prose(description)}`
      const contents = contentsOf(content, nameOf)
      if (contents.every(({ text }) => text === 'null')) return `Response ${code(status)}${about}.\n`
      return contents
        .map(({ type, text }) => `Response ${code(status)}, ${code(type)}${about}:\n\n${block('ts', text)}`)
        .join('\n')
    })
    .join('\n')
}

function contentsOf(content: Content, nameOf: NameOf): { type: string; text: string }[] {
  const texts = new Map<string, string[]>()
  for (const [type, { schema = {} }] of Object.entries(content)) {
    const text = shapeOf(schema, nameOf)
    texts.set(text, [...(texts.get(text) ?? []), type])
  }
  return [...texts].map(([text, types]) => ({ type: types.join(' or '), text }))
}

/** Shapes name others, which must be written as well. */
function shapesOf(shapes: Map<string, Schema>, nameOf: NameOf): string {
  const written: string[] = []
  const done = new Set<string>()
  for (let size = -1; size !== done.size;) {
    size = done.size
    for (const [name, schema] of [...shapes].filter(([name]) => !done.has(name))) {
      done.add(name)
      const text = shapeOf(schema, inner => (inner === schema ? undefined : nameOf(inner)))
      written.push(`### ${name}\n\n${block('ts', `type ${name} = ${text}`)}`)
    }
  }
  return written.length === 0 ? '' : `## Shapes\n\n${written.sort().join('\n')}`
}
