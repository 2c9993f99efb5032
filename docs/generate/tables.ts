/** The pages that are tables: fields of deploy.json, options, error codes. */
import { PLATFORM_ERRORS } from '../../runtime/src/protocol/index.ts'
import { deployFileJsonSchema, ERRORS } from '../../agent/src/contract/index.ts'
import { flagOf, OPTION_HELP, PlatformOptions, variableOf } from '../../agent/src/platform/options.ts'
import { STORE_ERRORS } from '../../runtime/src/documents/index.ts'
import { block, code, pageHead, prose, table } from './markdown.ts'
import type { Schema } from './open-api.ts'
import { boundsOf, shapeOf } from './shape.ts'

interface Field {
  path: string
  schema: Schema
  isRequired: boolean
}

export function deployFilePage(): string {
  const { then: whole } = deployFileJsonSchema() as { then: Schema }
  const { deploy, ...others } = whole.properties!
  const rows = (fields: Field[]) =>
    fields.map(({ path, schema, isRequired }) => [code(path), code(typeOf(schema)), meaningOf(schema, isRequired)])
  const head = ['field', 'type', 'meaning']
  return [
    pageHead(
      'deploy.json',
      `${code('deploy.json')} says what is deployed. Comments and trailing commas are fine; paths are relative to the file; an unknown field is an error. The editor completes and checks it. Its JSON schema is ${code('extension/schemas/deploy.schema.json')}.`,
      [2, 3],
    ),
    block(
      'jsonc',
      '{\n  "deploy": [\n    { "name": "hello", "packageDir": "./src", "filePath": "./src/hello.ts" },\n  ],\n}',
    ),
    '## The file\n',
    table(head, rows(fieldsOf({ ...whole, properties: { ...others, deploy: deploy! } }))),
    '## An entry of deploy\n',
    table(head, rows(fieldsOf(deploy!.items as Schema))),
    ...nestedOf(deploy!.items as Schema).flatMap(({ path, schema }) => [
      `### ${path}\n`,
      table(head, rows(fieldsOf(schema))),
    ]),
  ].join('\n')
}

function fieldsOf({ properties = {}, required = [] }: Schema): Field[] {
  return Object.entries(properties)
    .filter(([, schema]) => !isNever(schema))
    .map(([path, schema]) => ({ path, schema, isRequired: required.includes(path) }))
}

/** A field that is reserved: nothing may stand there. */
function isNever(schema: Schema & { not?: object }): boolean {
  return schema.not !== undefined
}

/** Objects inside an entry, each with a table of its own. */
function nestedOf(entry: Schema, prefix = ''): { path: string; schema: Schema }[] {
  return fieldsOf(entry).flatMap(({ path, schema }) => {
    const whole = prefix + path
    const choices = schema.anyOf ?? schema.oneOf ?? [schema]
    return choices.flatMap(choice => {
      const isList = choice.type === 'array' && !Array.isArray(choice.items)
      const inner = isList ? (choice.items as Schema) : (mapOf(choice) ?? choice)
      const shapes = (inner.anyOf ?? inner.oneOf ?? [inner]).filter(({ properties }) => properties !== undefined)
      return shapes.flatMap(shape => {
        const name = isList ? `${whole}[]` : inner === choice ? whole : `${whole}.NAME`
        return [{ path: name, schema: shape }, ...nestedOf(shape, `${name}.`)]
      })
    })
  })
}

function typeOf(schema: Schema): string {
  const choices = schema.anyOf ?? schema.oneOf
  if (choices) return [...new Set(choices.map(typeOf))].join(' | ')
  if (schema.type === 'array' && !Array.isArray(schema.items)) {
    const item = typeOf(schema.items ?? {})
    return item.includes(' | ') ? `(${item})[]` : `${item}[]`
  }
  if (mapOf(schema) !== undefined) return 'Record<string, object>'
  return schema.properties === undefined ? shapeOf(schema) : 'object'
}

/** The objects in a record of objects. */
function mapOf({ additionalProperties }: Schema): Schema | undefined {
  const isMap = typeof additionalProperties === 'object' && additionalProperties.properties !== undefined
  return isMap ? additionalProperties : undefined
}

function meaningOf(schema: Schema, isRequired: boolean): string {
  const { default: value } = schema
  const isPlain = value !== undefined && JSON.stringify(value).length < 30
  const facts = [
    ...(isRequired && value === undefined ? ['Required.'] : []),
    ...(boundsOf(schema) === '' || boundsOf(schema) === 'not empty' ? [] : [`${capital(boundsOf(schema))}.`]),
    ...(isPlain ? [`Default ${code(JSON.stringify(value))}.`] : []),
  ]
  return [prose(schema.description ?? ''), ...facts].join(' ').trim()
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

export function optionsPage(): string {
  const defaults = PlatformOptions.parse({})
  const rows = Object.entries(OPTION_HELP).map(([name, help]) => [
    code(flagOf(name)),
    code(variableOf(name)),
    code(String(defaults[name as keyof PlatformOptions])),
    prose(help),
  ])
  return [
    pageHead(
      'Options of the platform',
      `Flags of ${code('ryo-faas startFaas')}, or environment variables. A flag overrides a variable, which overrides the default. ${code('ryo-faas env')} shows the current values.

${code('RYO_FAAS_HOME')} (default ${code('~/.ryo-faas')}) holds state, logs, secrets and the token of the platform. For two platforms on one machine, see [Several platforms](../guide/platforms.md).

Options are fixed when the platform starts. To change one, run ${code('ryo-faas stopFaas')} and start again: functions and data are kept, and so are the options that you do not give.`,
    ),
    table(['flag', 'variable', 'default', ''], rows),
  ].join('\n')
}

export function errorsPage(): string {
  const more = (code: string) => `[what to do](../troubleshooting.md#${code.toLowerCase().replaceAll('_', '-')})`
  return [
    pageHead(
      'Error codes',
      `Programs recognize an error by its code, never by its text. Every error is JSON: ${code('{"error":{"code":…,"message":…}}')}. [Troubleshooting](../troubleshooting.md) has the cause of each, and what to do.`,
    ),
    '## Agent and command line\n',
    `The command line prints them and exits with 1 if you can fix it, or 70 if it is our error. "Retry" means that the same request may succeed later.\n`,
    table(
      ['code', 'status', 'exit', 'retry', '', ''],
      Object.entries(ERRORS).map(([name, { status, fault, retryable, about }]) => [
        code(name),
        String(status),
        fault === 'user' ? '1' : '70',
        retryable ? 'yes' : '',
        about,
        more(name),
      ]),
    ),
    '## Proxy\n',
    `What callers of functions get. These responses carry ${code('X-Ryo-Faas-Error')} with the code; a function's own response never does.\n`,
    table(
      ['code', 'status', ''],
      Object.entries(PLATFORM_ERRORS).map(([name, status]) => [code(name), String(status), more(name)]),
    ),
    '## Store\n',
    `What the store answers, and what ${code('StoreError')} has as its ${code('code')}.\n`,
    table(
      ['code', 'status', '', ''],
      Object.entries(STORE_ERRORS).map(([name, { status, about }]) => [code(name), String(status), about, more(name)]),
    ),
  ].join('\n')
}
