/**
 * Checking handlers whose packages have large declarations: again and again without a change, as at each save of
 * something else; first, in a process that has just ended; and the agent's memory after many packages.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createCheckService, type CheckRequest } from '../../agent/src/languages/node/checker/index.ts'
import { installPackages, writeFiles } from '../../agent/test/apps/install.ts'
import { BIN } from '../../agent/test/support/platform.ts'
import { median, quantile } from '../support/figures.ts'
import { startPlatform } from '../support/platform.ts'
import { childrenOf, memoryOf } from '../support/processes.ts'
import { figure, type Bench, type Figures, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'

const MIB = 1024 ** 2
const GOALS = { repeatMs: 30, agentMib: 250 }
const PACKAGES = 20
/** The process that the agent asks, as it runs in a checkout. */
const ENTRY = pathToFileURL(join(BIN, '..', '..', 'bundle', 'languages', 'node', 'checker', 'checker-main.js'))

interface Case {
  name: string
  dependencies: Record<string, string>
  export?: string
  source: string
}

const DRIZZLE: Case = {
  name: 'drizzle',
  dependencies: { 'drizzle-orm': '0.45', pg: '8', '@types/pg': '8' },
  source: `import { drizzle } from 'drizzle-orm/node-postgres'
import { pgTable, serial, text } from 'drizzle-orm/pg-core'
import pg from 'pg'
const users = pgTable('users', { id: serial('id').primaryKey(), name: text('name') })
export const hello = async (_request: Request): Promise<Response> =>
  Response.json(await drizzle(new pg.Pool()).select().from(users))
`,
}
const CASES: Case[] = [
  DRIZZLE,
  {
    name: 'NestJS',
    dependencies: {
      ...{ '@nestjs/common': '11', '@nestjs/core': '11', '@nestjs/platform-express': '11' },
      ...{ 'reflect-metadata': '0.2', rxjs: '7' },
    },
    export: 'default',
    source: `import 'reflect-metadata'
import { Controller, Get, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
@Controller()
class Cats {
  @Get() all() { return 'all' }
}
@Module({ controllers: [Cats] })
class App {}
export default NestFactory.create(App)
`,
  },
  {
    name: '10 heavy libraries',
    dependencies: {
      ...{ '@aws-sdk/client-s3': '3', '@aws-sdk/client-dynamodb': '3', zod: '4', mongodb: '6', ioredis: '5' },
      ...{ stripe: '18', openai: '6', kysely: '0.28', three: '0.180', '@types/three': '0.180', effect: '3' },
    },
    source: `import { S3Client } from '@aws-sdk/client-s3'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { z } from 'zod'
import { MongoClient } from 'mongodb'
import { Redis } from 'ioredis'
import Stripe from 'stripe'
import OpenAI from 'openai'
import { Kysely } from 'kysely'
import * as three from 'three'
import { Effect } from 'effect'
const all = [S3Client, DynamoDBClient, z, MongoClient, Redis, Stripe, OpenAI, Kysely, three, Effect]
export const hello = (request: Request): Response => Response.json(all.length + request.url)
`,
  },
]

export const checkBench: Bench = {
  name: 'check',
  title: 'Checks',
  method: `A handler of a package with large declarations, checked by the process that the agent asks: first, in a process that was not running; then again without a change. Memory: the agent after it has deployed functions of ${PACKAGES} packages with drizzle, one after another.`,
  run: benchCheck,
}

async function benchCheck(stage: Stage): Promise<Report> {
  const rounds = stage.quick ? 5 : 40
  const rows: string[][] = []
  const goals: Report['goals'] = []
  for (const [index, app] of CASES.entries()) {
    stage.say(`check: ${app.name}`)
    const folder = await packageOf(stage, app, `case-${index}`)
    const { firstMs, repeatMs, rssMib } = await checksOf(requestFor(app, folder), rounds)
    const [middle, late] = [median(repeatMs), quantile(repeatMs, 0.9)]
    rows.push([app.name, figure(firstMs), figure(middle), figure(late), figure(rssMib)])
    const bound = { kind: 'at most', limit: GOALS.repeatMs } as const
    goals.push({ what: `an unchanged handler, ${app.name}`, measured: middle, unit: 'ms', bound })
  }
  const memory = await memoryAfterDeploys(stage)
  const bound = { kind: 'at most', limit: GOALS.agentMib } as const
  goals.push({ what: `the agent after ${PACKAGES} packages`, measured: memory.agentMib, unit: 'MiB', bound })
  return {
    tables: [{ head: ['', 'first, ms', 'again, ms', 'p90', 'its process, MiB'], rows }, memory.table],
    goals,
  }
}

async function checksOf(request: CheckRequest, rounds: number) {
  const service = createCheckService({ entry: ENTRY })
  try {
    const timed = async () => {
      const begin = performance.now()
      const [outcome] = await service.check([request])
      if (outcome?.kind !== 'accepted') throw new Error(`${request.name} was refused: ${JSON.stringify(outcome)}`)
      return performance.now() - begin
    }
    const firstMs = await timed()
    const repeatMs: number[] = []
    for (let round = 0; round < rounds; round += 1) repeatMs.push(await timed())
    const rssMib = memoryOf(childrenOf(process.pid).at(-1)!).rssBytes / MIB
    return { firstMs, repeatMs, rssMib }
  } finally {
    await service.close()
  }
}

async function memoryAfterDeploys(stage: Stage): Promise<{ agentMib: number; table: Figures }> {
  const platform = await startPlatform(stage, 'process')
  const client = await platform.client()
  const { parts } = await client.call('platform', {})
  const agent = parts.find(({ name }) => name === 'agent')!.pid!
  const mib = (pid: number) => memoryOf(pid).rssBytes / MIB
  const begin = mib(agent)
  for (let index = 0; index < PACKAGES; index += 1) {
    stage.say(`check: package ${index + 1} of ${PACKAGES}`)
    const folder = await packageOf(stage, DRIZZLE, `package-${index}`)
    const entry = { name: 'hello', packageDir: '.', filePath: './hello.ts' }
    await writeFiles(folder, {
      'deploy.json': JSON.stringify({ deploy: [{ ...entry, name: `hello${index}`, export: 'hello' }] }),
    })
    await platform.ok(['deploy', folder, '--build-only'])
  }
  const agentMib = mib(agent)
  const checker = childrenOf(agent).map(mib)
  return {
    agentMib,
    table: {
      title: `after ${PACKAGES} packages`,
      head: ['', 'MiB'],
      rows: [
        ['the agent, before', figure(begin)],
        ['the agent', figure(agentMib)],
        ['its checker and bundler, until they are idle', figure(checker.reduce((sum, each) => sum + each, 0))],
      ],
    },
  }
}

async function packageOf(stage: Stage, { dependencies, source }: Case, name: string): Promise<string> {
  const folder = join(stage.folder, name)
  await mkdir(folder, { recursive: true })
  const manifest = { name: 'app', private: true, type: 'module', dependencies }
  const files = { 'package.json': JSON.stringify(manifest), 'hello.ts': source }
  await installPackages({ name, files, dependencies }, folder, files)
  await writeFiles(folder, files)
  return folder
}

function requestFor({ export: exported }: Case, packageDir: string): CheckRequest {
  const filePath = join(packageDir, 'hello.ts')
  return { name: 'hello', kind: 'http', packageDir, filePath, ...(exported !== undefined && { export: exported }) }
}
