/**
 * nats-server as a container, for hosts with Docker and no binary. Not on the functions' network: they do not talk to
 * the bus. Docker restarts it; the part only watches it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type Docker from 'dockerode'
import { RyoFaasError } from '../../contract/index.ts'
import { OWN_CGROUPS, removeContainer } from '../../docker/index.ts'
import { portTaken } from '../../host/index.ts'
import type { RunningPart } from '../../supervisor/index.ts'
import { natsPaths, writeNatsConfig } from './nats-config.ts'
import { greets, noteOf, type NatsPart } from './nats-part.ts'

export interface NatsContainerOptions {
  docker: Docker
  project: string
  home: string
  image: string
  port: () => number
  /** `uid:gid` that owns the data on the host. */
  user: string
  isSynced: boolean
}

const CONTAINER_PORT = 4222
const POLL_MS = 500
const MOST_PROCESSES = 256
/** Its stores are on disk; their cache shrinks when memory is needed. */
const MEMORY_BYTES = 2 * 1024 ** 3
const START_TIMEOUT_MS = 20_000

export function natsContainer(options: NatsContainerOptions): NatsPart {
  // Contains a character that no function name has.
  const name = `${options.project}.nats`
  const container = options.docker.getContainer(name)
  const state = () => container.inspect().catch(missing)

  const create = async () => {
    await writeNatsConfig(options.home, {
      ...{ host: '0.0.0.0', port: CONTAINER_PORT, data: '/data', isSynced: options.isSynced },
    })
    const paths = natsPaths(options.home)
    const port = options.port()
    await options.docker.createContainer({
      name,
      Image: options.image,
      Cmd: ['nats-server', '-c', '/nats.conf'],
      User: options.user,
      Labels: { 'ryo-faas': options.project, [options.project]: 'nats' },
      ExposedPorts: { [`${CONTAINER_PORT}/tcp`]: {} },
      HostConfig: {
        Binds: [`${paths.config}:/nats.conf:ro`, `${paths.data}:/data`],
        PortBindings: {
          [`${CONTAINER_PORT}/tcp`]: [{ HostIp: '127.0.0.1', HostPort: port === 0 ? '' : String(port) }],
        },
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        PidsLimit: MOST_PROCESSES,
        Memory: MEMORY_BYTES,
        MemorySwap: MEMORY_BYTES,
        ...OWN_CGROUPS,
        RestartPolicy: { Name: 'unless-stopped' },
        LogConfig: { Type: 'json-file', Config: { 'max-size': '5m', 'max-file': '2' } },
      },
    })
  }

  const untilGone = async () => {
    while ((await state().catch(() => undefined))?.State.Running) await delay(POLL_MS, undefined, { ref: false })
  }

  return {
    name: 'nats',
    async ensure(): Promise<RunningPart> {
      try {
        if (!(await state())) await create()
        const now = (await state())?.State
        if (!now?.Running) await container.start()
        // An agent was killed while it stood still.
        else if (now.Paused) await container.unpause()
      } catch (error) {
        const message = (error as Error).message
        if (/port is already allocated|address already in use/.test(message)) {
          throw await portTaken('NATS', options.port())
        }
        throw new RyoFaasError('NATS_UNAVAILABLE', `the container ${name} could not be started: ${message}`, {
          cause: error,
        })
      }
      const deadline = performance.now() + START_TIMEOUT_MS
      while (performance.now() < deadline) {
        const port = (await state())?.NetworkSettings.Ports[`${CONTAINER_PORT}/tcp`]?.[0]?.HostPort
        const address = `127.0.0.1:${port}`
        if (port !== undefined && (await greets(address))) {
          return { address, note: `${noteOf(options)}, container ${name}`, gone: untilGone() }
        }
        await delay(20)
      }
      const output = await container.logs({ stdout: true, stderr: true, tail: 10, follow: false })
      await removeContainer(options.docker, name)
      throw new RyoFaasError('NATS_UNAVAILABLE', `the container ${name} is not responding`, {
        logs: output
          .toString('utf8')
          .replace(/[^\x20-\x7e\n]/g, '')
          .trimEnd()
          .split('\n'),
      })
    },
    async pause() {
      try {
        await container.pause()
      } catch (error) {
        throw new RyoFaasError('NATS_UNAVAILABLE', `the container ${name} cannot be paused`, { cause: error })
      }
      return async () => void (await container.unpause())
    },
    async stop() {
      const now = (await state())?.State
      if (!now) return
      if (now.Paused) await container.unpause().catch(() => undefined)
      await container.stop({ t: 10 }).catch(() => undefined) // May have stopped already: removal decides.
      await removeContainer(options.docker, name)
    },
  }
}

function missing(error: unknown): undefined {
  if ((error as { statusCode?: number }).statusCode === 404) return undefined
  throw error
}
