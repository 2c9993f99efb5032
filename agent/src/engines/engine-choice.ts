/** Chooses the engine: the first of the registry that is usable here (`auto`), or the one that the user named. */
import { RyoFaasError, type EngineKind } from '../contract/index.ts'
import type { Engine } from './engine.ts'
import type { EngineContext, EngineType } from './engine-type.ts'
import { ENGINES } from './registry.ts'

export const AUTO = 'auto'

export interface EngineChoice extends EngineContext {
  /** `auto`, or a kind of the registry. */
  engine: string
  /** What an earlier agent left running is on this engine. */
  runsOn: EngineKind | undefined
}

/**
 * @throws RyoFaasError saying why the named engine, or all of them, are not usable; INVALID_OPTION if none has the
 * name. Instances on an engine that is not responding are never joined by instances of another one.
 */
export async function chooseEngine(choice: EngineChoice, registry: readonly EngineType[] = ENGINES): Promise<Engine> {
  const isNamed = choice.engine !== AUTO
  const passedOver: RyoFaasError[] = []
  for (const type of candidates(choice.engine, registry)) {
    const found = await type.detect(choice)
    if (found.kind === 'usable') {
      const why = isNamed ? `chosen by --engine ${type.kind}` : passedOver.map(({ message }) => message).join('; ')
      return type.create(choice, why)
    }
    const others = registry.filter(({ kind }) => kind !== type.kind).map(({ kind }) => `--engine ${kind}`)
    if (isNamed) throw orElse(found.why, others)
    // It may be restarting. Instances of another engine would be two of each function.
    if (choice.runsOn === type.kind) throw stillThere(type, found.why, others)
    passedOver.push(found.why)
  }
  throw passedOver[0]!
}

/**
 * The engine on which an earlier agent left instances, if it is another one than was chosen and can be used: nothing is to
 * be started there any more.
 */
export async function engineBefore(
  chosen: Pick<Engine, 'kind'>,
  choice: EngineChoice,
  registry: readonly EngineType[] = ENGINES,
): Promise<Engine | undefined> {
  const type = registry.find(({ kind }) => kind === choice.runsOn && kind !== chosen.kind)
  if (type === undefined || (await type.detect(choice)).kind === 'unusable') return undefined
  return type.create({ ...choice, pool: 0 }, 'until what runs there has moved')
}

/** The engines that `--engine` allows, in order of preference. @throws RyoFaasError INVALID_OPTION */
export function candidates(engine: string, registry: readonly EngineType[] = ENGINES): readonly EngineType[] {
  if (engine === AUTO) return registry
  const named = registry.filter(({ kind }) => kind === engine)
  if (named.length > 0) return named
  throw new RyoFaasError('INVALID_OPTION', `--engine ${engine}: unknown engine`, {
    hint: `Available: ${listed(registry.map(({ kind }) => kind))}.`,
  })
}

/** The values of `--engine`, each with what to know about it. */
export function engineHelp(registry: readonly EngineType[] = ENGINES): string {
  return listed([AUTO, ...registry.map(({ help }) => help)])
}

/** By hand: every agent and command line needs it at once, and `Intl.ListFormat` takes 12 ms to load its languages. */
function listed(names: string[]): string {
  const last = names.at(-1)!
  return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} or ${last}`
}

function orElse(error: RyoFaasError, others: string[]): RyoFaasError {
  if (error.code === 'INVALID_OPTION') return error
  const another = `Alternatively: ${listed(others)}.`
  return new RyoFaasError(error.code, error.message, {
    hint: error.hint === undefined ? another : `${error.hint} ${another}`,
    cause: error,
  })
}

function stillThere({ kind }: EngineType, error: RyoFaasError, others: string[]): RyoFaasError {
  return new RyoFaasError(
    error.code,
    `the functions of this platform are running on the engine "${kind}"; ${error.message}`,
    {
      hint: `It will be retried automatically. If that engine will not come back: ryo-faas startFaas ${listed(others)}`,
      cause: error,
    },
  )
}
