/**
 * A short run of `../chaos/elastic-run.ts`: every victim once, and every kind of change. With `CHAOS_SCALE` above 1 every
 * victim at every step; `CHAOS_SEED` varies which, and when.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CHAOS_LIMIT_MS, CHAOS_SCALE, CHAOS_SEED } from '../chaos/chaos-scale.ts'
import { DockerRelay } from '../chaos/docker-relay.ts'
import {
  ALL_ROUNDS,
  ELASTIC_VICTIMS,
  ElasticChaos,
  STEPS,
  type ElasticRound,
  type StepName,
} from '../chaos/elastic-run.ts'
import { SeededRandom } from '../chaos/seeded-random.ts'
import { TestPlatform } from '../support/platform.ts'

const random = new SeededRandom(Number(CHAOS_SEED ?? 1))

function sample(): ElasticRound[] {
  const victims = random.shuffled(ELASTIC_VICTIMS)
  const names = random.shuffled(Object.keys(STEPS) as StepName[])
  const changes = [...new Set(names.map(name => STEPS[name].change))]
  return victims.map((victim, index) => ({
    victim,
    step: names.find(name => STEPS[name].change === changes[index]) ?? names[0]!,
  }))
}

const rounds = CHAOS_SCALE > 1 ? random.shuffled(ALL_ROUNDS) : sample()

let folder: string
let relay: DockerRelay
let platform: TestPlatform
let chaos: ElasticChaos

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-relay-'))
  relay = await DockerRelay.open(join(folder, 'docker.sock'))
  platform = await TestPlatform.make({ DOCKER_HOST: relay.address })
  chaos = new ElasticChaos(platform, { relay, random })
  await chaos.start()
})
afterAll(async () => {
  relay.onStep = () => undefined
  await platform.remove()
  await relay.close()
  await rm(folder, { recursive: true, force: true })
})

for (const round of rounds) {
  test(`${round.victim} is killed. ${round.step}`, { timeout: CHAOS_LIMIT_MS }, () => chaos.run(round))
}

test(
  'no call was lost that would not have been lost without sleep, and nothing is left',
  { timeout: CHAOS_LIMIT_MS },
  async () => {
    expect(await chaos.faults()).toEqual([])
  },
)
