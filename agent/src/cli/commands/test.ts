import { stat } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { glob } from 'tinyglobby'
import { RyoFaasError } from '../../contract/index.ts'
import type { Command, Context } from '../context.ts'
import { runHttpFile, type HttpTestResult } from '../http-tests/run-http-file.ts'
import { countOf, formatDuration } from '../output.ts'
import { Reported } from './reported.ts'
import { send } from './invoke.ts'

export const test: Command = {
  usage: 'test [files..]',
  describe: 'Send the requests of .http files and compare the responses with their snapshots',
  options: yargs =>
    yargs
      .positional('files', { type: 'string', array: true, describe: 'Files or folders (default: this folder)' })
      .option('update', { type: 'boolean', alias: 'u', default: false, describe: 'Renew the snapshots' })
      .option('url', { type: 'string', nargs: 1, describe: '{{url}}: where the functions are (default: the proxy)' })
      .option('var', { type: 'string', array: true, nargs: 1, describe: 'A variable, "name=value"' }),
  run: async (args, context) => {
    const files = await filesOf((args['files'] as string[] | undefined) ?? [], context.cwd)
    const given = new Map(((args['var'] as string[] | undefined) ?? []).map(variableOf))
    const url = await baseUrl(args['url'] as string | undefined, context)
    const { environment, signal } = context
    const results: HttpTestResult[] = []
    for (const path of files) {
      const label = relative(context.cwd, path)
      const found = await runHttpFile(path, {
        ...{ label, url, given, environment, isUpdating: args['update'] === true, isStrict: isCi(environment) },
        send: (target, init) => send(target, { ...init, signal }),
      })
      for (const result of found) show(result, context)
      results.push(...found)
    }
    conclude(results, context)
  },
}

function conclude(results: readonly HttpTestResult[], { output }: Context): void {
  const failed = results.filter(({ failures }) => failures.length > 0).length
  const written = results.filter(({ isWritten }) => isWritten).length
  output.value({ passed: results.length - failed, failed, written, results })
  const news = written === 0 ? '' : `, ${countOf(written, 'snapshot')} written`
  if (failed === 0) return output.line(`${countOf(results.length, 'request')} as expected${news}`)
  const message = `${failed} of ${countOf(results.length, 'request')} failed${news}`
  const hint = 'If the responses are right, renew their snapshots: ryo-faas test --update'
  throw new Reported(new RyoFaasError('TESTS_FAILED', message, { hint }), output.json)
}

function show(
  { file, line, title, durationMs, failures, difference = [], isWritten }: HttpTestResult,
  context: Context,
) {
  const { output } = context
  const { green, red, dim } = output.colors
  const time = durationMs === undefined ? '' : dim(` ${formatDuration(durationMs)}`)
  const mark = failures.length === 0 ? green('ok') : red('failed')
  output.line(`${mark} ${file}:${line} ${title}${time}${isWritten ? dim(' (snapshot written)') : ''}`)
  for (const failure of failures) output.line(`  ${failure}`)
  for (const text of difference) {
    const color = text.startsWith('-') ? red : text.startsWith('+') ? green : dim
    output.line(`    ${color(text)}`)
  }
}

/** @throws RyoFaasError INVALID_OPTION if there is none */
async function filesOf(given: readonly string[], cwd: string): Promise<string[]> {
  const found: string[] = []
  for (const name of given.length === 0 ? ['.'] : given) {
    const path = resolve(cwd, name)
    const known = await stat(path).catch(() => undefined)
    if (known === undefined) throw new RyoFaasError('INVALID_OPTION', `${name} does not exist`)
    if (!known.isDirectory()) found.push(path)
    else found.push(...(await glob('**/*.{http,rest}', { cwd: path, absolute: true, ignore: IGNORED, dot: false })))
  }
  if (found.length > 0) return [...new Set(found.map(path => resolve(path)))].sort()
  throw new RyoFaasError('INVALID_OPTION', 'there are no .http files here', {
    hint: 'Write one, e.g. hello.http: GET {{url}}/functions/hello',
  })
}

const IGNORED = ['**/node_modules/**', '**/dist/**']

async function baseUrl(given: string | undefined, context: Context): Promise<string> {
  if (given === undefined) return (await (await context.connect()).call('platform', {})).proxyUrl
  if (/^https?:/i.test(given) && URL.canParse(given)) return given.replace(/\/+$/, '')
  throw new RyoFaasError('INVALID_OPTION', `--url "${given}" is not an http or https URL`)
}

function variableOf(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
  throw new RyoFaasError('INVALID_OPTION', `--var "${text}" is not "name=value"`)
}

function isCi({ CI }: NodeJS.ProcessEnv): boolean {
  return CI !== undefined && CI !== '' && CI !== 'false' && CI !== '0'
}
