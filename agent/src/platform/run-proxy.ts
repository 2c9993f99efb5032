/**
 * A further proxy of a platform that runs on another machine: its process is watched here, and started again if it dies.
 *
 * Invariants: 1. What it serves is in a folder of its own, so that a start without NATS and agent serves it again. 2. One
 * process per name in a home. 3. The key is in a file that only its owner reads, never in the arguments of a process.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { z } from 'zod'
import { readServerUrls } from '../bus/index.ts'
import { RyoFaasError, type FurtherProxy } from '../contract/index.ts'
import { acquireProcessLock, backoffMs, readyAddress, writeDurably } from '../host/index.ts'
import type { MainOptions } from '../services/proxy/index.ts'
import { findNode } from './node-binary.ts'
import { networksOf } from './options.ts'
import { givenAccess } from './parts/given-nats.ts'
import { SERVICES } from './parts/service-args.ts'

interface Surroundings {
  home: string
  version: string
  environment: NodeJS.ProcessEnv
  signal: AbortSignal
}

const AGAIN = { firstMs: 100, mostMs: 10_000 }
/** A process that lived for so long has not failed to start. */
const STEADY_MS = 10_000
const LOOK_EVERY_MS = 20
/** Exit codes of `services/proxy/main.ts`. */
const BAD_OPTIONS = 78
const IN_USE = 98

/**
 * Resolves when `signal` is aborted and the process has ended.
 * @throws RyoFaasError ALREADY_RUNNING, PORT_TAKEN, INVALID_OPTION
 */
export async function runProxy(
  proxy: FurtherProxy,
  { home, version, environment, signal }: Surroundings,
  onReady: (is: { address: string }) => void,
): Promise<void> {
  const folder = join(home, 'proxies', proxy.name)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const lock = await acquireProcessLock(join(folder, 'lock'))
  if (lock.kind === 'held') {
    throw new RyoFaasError('ALREADY_RUNNING', `a proxy named ${proxy.name} runs here already (pid ${lock.holder.pid})`)
  }
  try {
    const [optionsFile, readyFile] = [join(folder, 'options.json'), join(folder, 'ready')]
    await writeDurably(optionsFile, JSON.stringify({ ...(await optionsOf(proxy, version, folder)), readyFile }))
    const command = await findNode('auto')
    for (let failures = 0; !signal.aborted;) {
      await rm(readyFile, { force: true })
      const startedAt = performance.now()
      const child = spawn(command, [SERVICES.proxy.entry, optionsFile], {
        env: environment,
        // It ends when the channel does, with us.
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      })
      const code = await lifeOf(child, { signal, onReady: async () => announced(readyFile, proxy.host, onReady) })
      if (signal.aborted) break
      if (code === IN_USE) throw new RyoFaasError('PORT_TAKEN', `the port ${proxy.port} of ${proxy.host} is in use`)
      if (code === BAD_OPTIONS) throw new RyoFaasError('INVALID_OPTION', 'the proxy does not take these options')
      failures = performance.now() - startedAt > STEADY_MS ? 1 : failures + 1
      await delay(backoffMs(AGAIN, failures), undefined, { signal }).catch(() => undefined)
    }
  } finally {
    await lock.release()
  }
}

/** @throws RyoFaasError INVALID_OPTION */
async function optionsOf(proxy: FurtherProxy, version: string, folder: string): Promise<z.input<typeof MainOptions>> {
  const { nats, project } = proxy
  if (readServerUrls(nats.natsUrl) === undefined) {
    throw new RyoFaasError('INVALID_OPTION', 'the URL of NATS is not one such as nats://10.0.0.1:4222')
  }
  return {
    ...{ host: proxy.host, port: proxy.port, workers: proxy.workers, trustProxy: networksOf(proxy.trustProxy) },
    nats: await givenAccess({ ...nats, natsSync: 'off', project }),
    routesFile: join(folder, 'routes.json'),
    shared: {
      ...{ key: proxy.key, id: proxy.name, version, isFollowing: true },
      ...(proxy.advertise !== undefined && { address: proxy.advertise }),
    },
  }
}

async function lifeOf(
  child: ChildProcess,
  { signal, onReady }: { signal: AbortSignal; onReady: () => Promise<boolean> },
): Promise<number | null> {
  const end = () => void child.kill('SIGTERM')
  const exited = once(child, 'exit') as Promise<[number | null]>
  signal.addEventListener('abort', end)
  try {
    let hasEnded = false
    void exited.then(() => (hasEnded = true)).catch(() => undefined)
    while (!hasEnded && !(await onReady())) await delay(LOOK_EVERY_MS)
    const [code] = await exited
    return code
  } finally {
    signal.removeEventListener('abort', end)
  }
}

async function announced(
  readyFile: string,
  host: string,
  onReady: (is: { address: string }) => void,
): Promise<boolean> {
  const address = await readyAddress(readyFile, host).catch(() => undefined)
  if (address !== undefined) onReady({ address })
  return address !== undefined
}
