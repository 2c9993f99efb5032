/**
 * Starts the processes of the parts before the agent has loaded its own code: Node boots and loads theirs meanwhile, on
 * the other cores. Each begins when the agent has what it needs, in the order of the phases (`host/ahead-process.ts`). The
 * keeper is not among them: nobody waits for it to boot.
 *
 * Invariants: 1. nothing is started ahead where an earlier agent may have left parts. 2. what was not told to begin ends
 * with the agent, however that ends. 3. it is only quicker: a part whose process is not here is started as usual. 4. no
 * schema is loaded for it.
 */
import { join } from 'node:path'
import { AHEAD, callOff, isAlive, spawnDetached, type DetachedProcess } from '../host/index.ts'
import { dispatcherName } from '../services/dispatcher/index.ts'
import { findNode } from './node-binary.ts'
import { serviceArgs, SERVICES } from './parts/service-args.ts'

interface Command {
  name: string
  command: string
  args: string[]
}

export class Ahead {
  readonly #processes = new Map<string, Promise<DetachedProcess | undefined>>()

  /** @param given options of the platform, as they are in the home, and flags; neither is validated */
  static start(
    home: string,
    {
      environment,
      ...given
    }: { options: unknown; flags?: Record<string, string> | undefined; environment: NodeJS.ProcessEnv },
  ): Ahead {
    const ahead = new Ahead()
    const options = likelyOptions({ ...given, environment })
    const commands = commandsOf(home, options)
    for (const [index, name] of namesOf(options).entries()) {
      const started = commands.then(all => {
        const { command, args } = all[index]!
        const logFile = join(home, 'logs', `${name}.log`)
        return spawnDetached({ command, args: [...args, AHEAD], env: environment, logFile, stdin: 'pipe' })
      })
      // Then it is started as usual, and if it fails again that is reported.
      ahead.#processes.set(
        name,
        started.catch(() => undefined),
      )
    }
    return ahead
  }

  /** Resolves when they boot. Before that, loading code would hold them up: it blocks the event loop. */
  async spawned(): Promise<void> {
    await Promise.all(this.#processes.values())
  }

  /** The process of a part, once; `undefined` if it has none that waits. */
  async take(name: string): Promise<DetachedProcess | undefined> {
    const found = await this.#processes.get(name)
    this.#processes.delete(name)
    return found !== undefined && (await isAlive(found.identity)) ? found : undefined
  }

  /** Ends what nobody took. */
  async close(): Promise<void> {
    for (const name of [...this.#processes.keys()]) {
      const left = await this.take(name)
      if (left !== undefined) callOff(left)
    }
  }
}

/** Of the options only what parts are started with. */
interface Options {
  node?: string
  dispatchers: number
}

function likelyOptions({ options, flags, environment }: Parameters<typeof Ahead.start>[1]): Options {
  const saved = options as Partial<Options>
  if (flags === undefined) return { dispatchers: 1, ...saved }
  const wanted = flags['dispatchers'] ?? environment['RYO_FAAS_DISPATCHERS'] ?? saved.dispatchers
  return { ...saved, dispatchers: Number(wanted) || 1 }
}

function namesOf({ dispatchers }: Options): string[] {
  return ['proxy', 'store', ...Array.from({ length: dispatchers }, (_, index) => dispatcherName(index + 1))]
}

async function commandsOf(home: string, options: Options): Promise<Command[]> {
  const node = await findNode(options.node ?? 'auto')
  return namesOf(options).map(name => {
    const service = name === 'proxy' || name === 'store' ? SERVICES[name] : SERVICES.dispatcher
    return { name, command: node, args: serviceArgs(home, { name, ...service }) }
  })
}
