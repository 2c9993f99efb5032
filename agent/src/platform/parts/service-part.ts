/**
 * A service of the platform as a part: a process of ours that gets its options in a file, writes a file once it serves,
 * and may take routes at a control socket. In what services differ, `services.ts` says.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { PartView, RyoFaasError } from '../../contract/index.ts'
import {
  type DetachedCommand,
  identifyProcess,
  portTaken,
  type PartWithPort,
  readyAddress,
  signalProcess,
  waitForExit,
  writeAtomically,
} from '../../host/index.ts'
import { ControlClient, controlPathOf, isControlledAt, prepareControlPath } from '../../routes/index.ts'
import { ProcessPart } from '../../supervisor/index.ts'
import type { Ahead } from '../ahead.ts'
import { optionsFileOf, serviceArgs, type ServiceProgram } from './service-args.ts'

export type Service = ServiceProgram & {
  /** Name of the file in which it keeps its routes; absent: it takes none. */
  routesFile?: string
  /** Ports besides that of `listen`, and what for. */
  otherPorts?: Record<number, PartWithPort>
  /** What people are told about it. */
  note?: string
  /** What its log says of why it ended early, better than the last lines. */
  explainExit?: (log: string) => RyoFaasError | undefined
  /**
   * Has the running one start a process that takes its place.
   * @returns its pid
   */
  handOver?: (controlPath: string, command: Omit<DetachedCommand, 'stdin' | 'sockets'>) => Promise<number>
  /** The rest of its `MainOptions`. */
  settings: object
} & ({ name: 'proxy' | 'store'; listen: Listen } | { name: PartView['name']; listen?: undefined })

/** Where a service is reached by others than us. */
interface Listen {
  host: string
  /** Asked before every start: a restarted service takes the port it had. */
  port: () => number
}

/** What this file adds to the settings of a service. */
export type OwnSettings = 'readyFile' | 'controlPath' | 'routesFile' | 'host' | 'port'

/** For so long a service that ends waits for what runs. */
export const DRAIN_MS = 10_000
/** A drain that breaks off what runs still has to give it back. */
const GRACE_MS = DRAIN_MS + 5_000

export interface ServiceProcess {
  home: string
  nodePath: string
  environment: NodeJS.ProcessEnv
  ahead?: Ahead | undefined
  /** Of our code. */
  release: string
}

export function servicePart(
  service: Service,
  { home, nodePath, environment, ahead, release }: ServiceProcess,
): ProcessPart {
  const { name, listen, routesFile, settings, note } = service
  const folder = join(home, 'run')
  const optionsFile = optionsFileOf(home, name)
  const readyFile = join(folder, `${name}.ready`)
  const controlPath = controlPathOf(home, name)
  const command = { command: nodePath, args: serviceArgs(home, service), env: environment }
  const writeOptions = async () => {
    const all = {
      ...settings,
      readyFile,
      ...(listen && { host: listen.host, port: listen.port() }),
      ...(routesFile !== undefined && { controlPath, routesFile: join(folder, routesFile) }),
    }
    await writeAtomically(optionsFile, JSON.stringify(all))
  }
  return new ProcessPart({
    name,
    home,
    ...command,
    release,
    ...(service.handOver && {
      handOver: async () => {
        await rm(readyFile, { force: true })
        await writeOptions()
        const pid = await service.handOver!(controlPath, { ...command, logFile: join(home, 'logs', `${name}.log`) })
        return identifyProcess(pid)
      },
    }),
    startedAhead: () => ahead?.take(name),
    graceMs: GRACE_MS,
    ...(note !== undefined && { note }),
    mayAdopt: async () => routesFile === undefined || isControlledAt(optionsFile, controlPath),
    beforeStart: async () => {
      await rm(readyFile, { force: true })
      if (routesFile !== undefined) {
        await prepareControlPath(controlPath)
        await endHolderOf(controlPath, name)
      }
      await writeOptions()
    },
    probe: () => readyAddress(readyFile, listen?.host ?? '127.0.0.1'),
    explainExit: async log =>
      service.listen && /EADDRINUSE/.test(log) ? namePort(service, takenPort(log)) : service.explainExit?.(log),
  })
}

function namePort({ name, listen, otherPorts = {} }: Service & { listen: Listen }, taken: number | undefined) {
  const other = taken === undefined ? undefined : otherPorts[taken]
  return other === undefined ? portTaken(name, listen.port()) : portTaken(other, taken!)
}

/** Node's message ends with address and port. */
function takenPort(log: string): number | undefined {
  const port = /EADDRINUSE: address already in use [^"\s]*:(\d+)/.exec(log)?.[1]
  return port === undefined ? undefined : Number(port)
}

/**
 * Ends a process of ours that nobody knows: an agent that was killed between starting it and writing its record down
 * left it, and it would keep the socket from the one that is about to start.
 */
async function endHolderOf(controlPath: string, name: string): Promise<void> {
  const health = await new ControlClient({ name, controlPath }).health().catch(() => undefined) // Nobody is there.
  const holder = health?.pid === undefined ? undefined : await identifyProcess(health.pid)
  if (holder === undefined) return
  await signalProcess(holder, 'SIGTERM')
  if (await waitForExit(holder, GRACE_MS)) return
  await signalProcess(holder, 'SIGKILL')
  await waitForExit(holder, GRACE_MS)
}
