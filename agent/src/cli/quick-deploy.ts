/** `ryo-faas deploy` without loading what other command lines need: most of what it takes beyond the deploy itself. */
import { quickStream } from '../client/index.ts'
import { RyoFaasError, type DeployEvent } from '../contract/index.ts'
import { ARTEFACT_ENDING, deployFilePath, FILE_ARGUMENT } from './commands/deploy-file.ts'
import { Reported } from './commands/reported.ts'
import { deployOnce } from './commands/run-deploy.ts'
import { abortOnSignals } from './interrupt.ts'
import { Output, type Streams } from './output.ts'

interface Place {
  home: string
  version: string
  cwd: string
}

/** @returns the exit code; undefined if this command line, or the agent, needs what is not loaded yet; nothing was done then */
export async function quickDeploy(
  argv: readonly string[],
  { home, version, cwd }: Place,
  streams: Streams,
): Promise<number | undefined> {
  const asked = parse(argv)
  if (asked === undefined) return undefined
  const stream = await quickStream({ home, version })
  if (stream === undefined) return undefined
  const output = new Output(streams, asked.json)
  const signal = abortOnSignals()
  try {
    const { only, environment } = asked
    const file = await deployFilePath(cwd, asked.file)
    const { error } = await deployOnce(
      { file, environment, buildOnly: false, debug: false, replace: false, explain: false, ...(only && { only }) },
      {
        output,
        environment: streams.environment,
        signal,
        deploy: body => stream('/v1/deploys', { body, signal }) as AsyncIterable<DeployEvent>,
      },
    )
    if (error) throw error
    return 0
  } catch (error) {
    const failure = RyoFaasError.from(error)
    // It is built here and sent, or asked again: see `deploy` and the ordinary client.
    if (failure.code === 'STANDS_BY' || failure.code === 'NOT_LEADING') return undefined
    if (!(failure instanceof Reported && failure.silent)) output.error(failure)
    if (failure.code === 'INTERNAL' && !output.json) output.note(String((error as Error).stack))
    return failure.code === 'CANCELLED' && signal.aborted ? 130 : failure.exitCode
  }
}

interface Asked {
  file: string
  json: boolean
  only?: string[]
  environment: string | undefined
}

/** The usual command lines; whatever is not one of them is left to the parser that knows all. */
function parse(argv: readonly string[]): Asked | undefined {
  const [command, ...words] = argv
  if (command !== 'deploy') return undefined
  const asked: Asked = { file: FILE_ARGUMENT.default, json: false, environment: undefined }
  const files: string[] = []
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const value = () => (words[0] === undefined || words[0].startsWith('-') ? undefined : words.shift())
    if (word === '--json') asked.json = true
    else if (word === '--only' || word === '--env') {
      const given = value()
      if (given === undefined || given === '') return undefined
      if (word === '--only') asked.only = [...(asked.only ?? []), given]
      else if (asked.environment === undefined) asked.environment = given
      else return undefined
    } else if (word.startsWith('-') || word === '') return undefined
    else files.push(word)
  }
  if (files.length > 1 || files[0]?.endsWith(ARTEFACT_ENDING)) return undefined
  return { ...asked, ...(files[0] !== undefined && { file: files[0] }) }
}
