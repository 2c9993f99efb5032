/**
 * One run of chaos among functions that sleep: something is killed with SIGKILL exactly when a function is being frozen,
 * woken, handed to a waiting container, or given another instance; then what the callers saw is judged, and whether
 * anything is left that the platform does not know of. A seed determines which step, which victim, and how long after.
 */
import { readdir, watch } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Docker from 'dockerode'
import { identifyProcess, signalProcess, type ProcessIdentity } from '../../src/host/index.ts'
import { writeProject, type TestPlatform } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { untilFinal } from './call-statuses.ts'
import type { DockerRelay, DockerStep } from './docker-relay.ts'
import { processesOf } from './killer.ts'
import type { SeededRandom } from './seeded-random.ts'

export const ELASTIC_VICTIMS = ['agent', 'proxy', 'watch', 'pool', 'instance'] as const
export type ElasticVictim = (typeof ELASTIC_VICTIMS)[number]

/** Where it is killed, and of which change that is a step. */
export const STEPS = {
  'freeze: before it is paused': { change: 'freeze', at: { action: 'pause', moment: 'before' } },
  'freeze: it is paused': { change: 'freeze', at: { action: 'pause', moment: 'after' } },
  'wake: before it is unpaused': { change: 'wake', at: { action: 'unpause', moment: 'before' } },
  'wake: it is unpaused': { change: 'wake', at: { action: 'unpause', moment: 'after' } },
  'hand-over: it is written down': { change: 'hand-over', at: { file: 'instance.json' } },
  'hand-over: the pipe is gone': { change: 'hand-over', at: { file: '.ryo-faas-hand-over' } },
  'hand-over: before it is renamed': { change: 'hand-over', at: { action: 'rename', moment: 'before' } },
  'scale-out: before it is created': { change: 'scale-out', at: { action: 'create', moment: 'before' } },
  'scale-out: it is created': { change: 'scale-out', at: { action: 'create', moment: 'after' } },
  'scale-out: before it is started': { change: 'scale-out', at: { action: 'start', moment: 'before' } },
  'scale-out: it is started': { change: 'scale-out', at: { action: 'start', moment: 'after' } },
} as const satisfies Record<string, { change: Change; at: At }>
export type StepName = keyof typeof STEPS

type Change = 'freeze' | 'wake' | 'hand-over' | 'scale-out'
type At = Pick<DockerStep, 'action' | 'moment'> | { file: string }

export interface ElasticRound {
  step: StepName
  victim: ElasticVictim
}

/** Every victim at every step. */
export const ALL_ROUNDS: readonly ElasticRound[] = Object.keys(STEPS).flatMap(step =>
  ELASTIC_VICTIMS.map(victim => ({ step: step as StepName, victim })),
)

const CODE = `export const fn = async (request: Request) => {
  const ms = Number(new URL(request.url).searchParams.get('ms') ?? 0)
  await new Promise(resolve => setTimeout(resolve, ms))
  return new Response('done')
}`
const fn = (options: object) => ({ code: CODE, options: { export: 'fn', memoryMb: 96, ...options } })
const GONE = { scale: { idleMs: 200, keepMs: 0 } }
const FUNCTIONS = {
  nap: fn({ scale: { idleMs: 200, keepMs: 5_000 } }),
  fresh: fn(GONE),
  // Read when Node boots: no waiting container can become it.
  grows: fn({ concurrency: 1, env: { UV_THREADPOOL_SIZE: '4' }, scale: { ...GONE.scale, max: 3 } }),
  later: fn({ async: { attempts: 20, backoffMs: 200 }, ...GONE }),
}
const POOL = 1
/** For a function with no settings, and for these. */
const ALL_WAITING = 2 * POOL
const MOST_OFFSET_MS = 15
const HEAL_MS = 60_000

interface Seen {
  round: ElasticRound
  call: string
  /** A status with the code of the platform's error, or why there was no answer. */
  outcome: string
}

export class ElasticChaos {
  readonly #platform: TestPlatform
  readonly #relay: DockerRelay
  readonly #random: SeededRandom
  readonly #docker = new Docker()
  readonly #seen: Seen[] = []
  readonly #queued: string[] = []
  #proxyUrl = ''
  #killed: number | undefined

  /** @param platform not started yet; its Docker is the relay */
  constructor(platform: TestPlatform, { relay, random }: { relay: DockerRelay; random: SeededRandom }) {
    this.#platform = platform
    this.#relay = relay
    this.#random = random
  }

  async start(): Promise<void> {
    this.#proxyUrl = (await this.#platform.start('docker', ['--pool', String(POOL)])).proxyUrl
    await this.#platform.ok(['deploy', await writeProject(join(this.#platform.home, 'project'), FUNCTIONS)])
  }

  /** Resolves when the platform has healed. @throws if it does not, or the step never comes */
  async run(round: ElasticRound): Promise<void> {
    const { change, at } = STEPS[round.step]
    await this.#prepare(change, round.victim)
    const offsetMs = this.#random.next() < 0.5 ? 0 : this.#random.between(0, MOST_OFFSET_MS)
    const kill = async () => {
      if (offsetMs > 0) await delay(offsetMs)
      await this.#kill(round.victim)
    }
    const killed = 'file' in at ? this.#atFile(at.file, kill) : this.#atRequest(at, kill)
    const calls = [this.#queue(), ...this.#cause(change).map(call => this.#call(round, call))]
    await killed
    await Promise.all(calls)
    await this.#healed(round)
  }

  /** Violations; empty if all went well. Everything is asleep and gone afterwards. */
  async faults(): Promise<string[]> {
    const statuses = await untilFinal(this.#proxyUrl, this.#queued, AbortSignal.timeout(HEAL_MS))
    const lost = [...statuses].filter(([, { status }]) => status !== 'succeeded')
    return [
      ...this.#seen
        .filter(seen => !mayBe(seen))
        .map(({ round, call, outcome }) => `${nameOf(round)}: ${call} got ${outcome}`),
      ...lost.map(([callId, { status }]) => `the asynchronous call ${callId} is ${status}`),
      ...(await this.#leftOver()),
    ]
  }

  async #prepare(change: Change, victim: ElasticVictim): Promise<void> {
    if (victim === 'pool' || change === 'hand-over') {
      const isFull = async () => (await this.#waiting()).length >= ALL_WAITING || undefined
      await until(isFull, HEAL_MS, 'a full pool')
    }
    switch (change) {
      case 'freeze':
        return void (await this.#ask('nap'))
      case 'wake':
        await this.#ask('nap')
        return this.#untilInstances('nap', ['frozen'])
      case 'hand-over':
        return this.#untilInstances('fresh', [])
      case 'scale-out':
        // Somebody has to be there who can be killed.
        if (victim === 'instance') await this.#ask('nap')
        return this.#untilInstances('grows', [])
    }
  }

  /** Calls that bring the change about; none of them changes anything, so that the proxy may repeat it. */
  #cause(change: Change): string[] {
    switch (change) {
      case 'freeze':
        return []
      case 'wake':
        return ['nap']
      case 'hand-over':
        return ['fresh']
      case 'scale-out':
        return ['grows?ms=300', 'grows?ms=300']
    }
  }

  #atRequest({ action, moment }: Pick<DockerStep, 'action' | 'moment'>, act: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#relay.onStep = step => {
        // Waiting containers begin in the background; what is handed over is renamed.
        if (step.action !== action || step.moment !== moment || step.container.includes('--pool-')) return undefined
        this.#relay.onStep = () => undefined
        return act().then(resolve, reject)
      }
    })
  }

  /** When a file of a waiting container's folder comes or goes. */
  async #atFile(file: string, act: () => Promise<void>): Promise<void> {
    const pool = join(this.#platform.home, 'run', 'pool')
    const abort = new AbortController()
    const folders = (await readdir(pool)).flatMap(id => [join(pool, id), join(pool, id, 'app')])
    let isDone = false
    await Promise.all(
      folders.map(async folder => {
        try {
          for await (const { filename } of watch(folder, { signal: abort.signal })) {
            if (filename !== file || isDone) continue
            isDone = true
            abort.abort()
            await act()
          }
        } catch (error) {
          if (!abort.signal.aborted) throw error
        }
      }),
    )
  }

  async #kill(victim: ElasticVictim): Promise<void> {
    switch (victim) {
      case 'watch':
        return void this.#relay.breakWatch()
      case 'pool':
        return this.#end((await this.#waiting()).map(({ pid }) => pid))
      case 'agent':
      case 'proxy':
        return this.#end(await processesOf(victim, this.#platform, 'docker'))
      case 'instance':
        return this.#end((await this.#instances()).map(({ pid }) => pid))
    }
  }

  async #end(candidates: (ProcessIdentity | undefined)[]): Promise<void> {
    const alive = candidates.filter(candidate => candidate !== undefined)
    // It may have ended by itself: an instance that goes, a container that was just handed over.
    if (alive.length === 0) return
    const chosen = this.#random.pick(alive)
    await signalProcess(chosen, 'SIGKILL')
    this.#killed = chosen.pid
  }

  async #healed(round: ElasticRound): Promise<void> {
    await until(
      async () => {
        const view = await this.#platform.view().catch(() => undefined)
        const isWhole = view?.parts.every(({ state, pid }) => state === 'running' && pid !== this.#killed)
        return (view?.phase.kind === 'ready' && isWhole) || undefined
      },
      HEAL_MS,
      `a whole platform after ${nameOf(round)}`,
    )
    for (const name of ['nap', 'fresh', 'grows']) {
      const outcome = await this.#outcomeOf(name)
      if (outcome !== '200') this.#seen.push({ round, call: `${name}, once the platform was whole,`, outcome })
    }
  }

  async #call(round: ElasticRound, call: string): Promise<void> {
    this.#seen.push({ round, call, outcome: await this.#outcomeOf(call) })
  }

  async #outcomeOf(call: string): Promise<string> {
    try {
      const response = await fetch(`${this.#proxyUrl}/functions/${call}`, { signal: AbortSignal.timeout(HEAL_MS) })
      await response.text()
      return [response.status, response.headers.get('x-ryo-faas-error')].filter(Boolean).join(' ')
    } catch (error) {
      const { name, cause } = error as Error & { cause?: { code?: string } }
      return name === 'TypeError' ? `connection ${cause?.code ?? 'closed'}` : name
    }
  }

  /** @throws unless it answers */
  async #ask(call: string): Promise<void> {
    const outcome = await this.#outcomeOf(call)
    if (outcome !== '200') throw new Error(`${call} got ${outcome}`)
  }

  /** Sent again until it is accepted, as a careful client does. */
  async #queue(): Promise<void> {
    const headers = { 'idempotency-key': `k${this.#queued.length}-${this.#random.next()}` }
    const id = await until(async () => {
      const response = await fetch(`${this.#proxyUrl}/functions/later`, { method: 'POST', headers }).catch(
        () => undefined,
      )
      return response?.status === 202 ? response.headers.get('x-call-id')! : undefined
    }, HEAL_MS)
    this.#queued.push(id)
  }

  /** Once nobody calls any more, all go; nothing may be left that the platform does not know. */
  async #leftOver(): Promise<string[]> {
    let left: string[] = []
    const isClean = async () => {
      const { resources } = await (await this.#platform.client()).call('resources', {})
      const known = resources.filter(({ type }) => type === 'instance').map(({ name }) => `${name} is still listed`)
      const waiting = await this.#waiting()
      const folders = await readdir(join(this.#platform.home, 'run', 'pool'))
      const others = (await this.#containers()).filter(({ name }) => !waiting.some(each => each.name === name))
      left = [
        ...known,
        ...others.map(({ name, state }) => `the container ${name} is ${state}`),
        ...folders
          .filter(id => !waiting.some(({ name }) => name.endsWith(id)))
          .map(id => `nobody has the folder ${id}`),
        ...(waiting.length > ALL_WAITING ? [`${waiting.length} containers wait`] : []),
      ]
      return left.length === 0 || undefined
    }
    await until(isClean, HEAL_MS).catch(() => undefined)
    return left
  }

  async #untilInstances(name: string, states: string[]): Promise<void> {
    const areThere = async () => {
      const view = await (await this.#platform.client()).call('deployment', { params: { name } }).catch(() => undefined)
      return view?.instances.map(({ state }) => state).join() === states.join() || undefined
    }
    await until(areThere, HEAL_MS, `${name} has the instances [${states.join()}]`)
  }

  async #containers(): Promise<{ id: string; name: string; state: string; isPool: boolean }[]> {
    const { project } = this.#platform
    const found = await this.#docker.listContainers({ all: true, filters: { label: [`ryo-faas=${project}`] } })
    return found
      .filter(({ Labels }) => Labels[project] === 'function' || Labels[`${project}.pool`] !== undefined)
      .map(({ Id, Names, State }) => ({
        ...{ id: Id, name: Names[0]!.slice(1), state: State },
        isPool: Names[0]!.includes('--pool-'),
      }))
  }

  async #waiting() {
    return this.#living((await this.#containers()).filter(({ isPool }) => isPool))
  }

  async #instances() {
    return this.#living((await this.#containers()).filter(({ isPool }) => !isPool))
  }

  async #living(containers: { id: string; name: string }[]): Promise<{ name: string; pid: ProcessIdentity }[]> {
    const found = await Promise.all(
      containers.map(async ({ id, name }) => {
        const info = await this.#docker
          .getContainer(id)
          .inspect()
          .catch(() => undefined) // It has just gone.
        const pid = info?.State.Running ? await identifyProcess(info.State.Pid) : undefined
        return pid && { name, pid }
      }),
    )
    return found.filter(each => each !== undefined)
  }
}

function nameOf({ step, victim }: ElasticRound): string {
  return `${victim} killed at “${step}”`
}

/** What a caller would also have seen of functions that are always on. */
function mayBe({ round: { victim }, outcome }: Seen): boolean {
  if (outcome === '200') return true
  if (victim === 'proxy') return outcome.startsWith('connection')
  return victim === 'instance' && outcome === '502 FUNCTION_CRASHED'
}
