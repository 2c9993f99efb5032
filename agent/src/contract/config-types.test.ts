import { defineConfig, type Config } from '@ryo-faas/runtime/config'
import { expect, test } from 'vitest'
import { DeployEntry, DeployFile, EnvironmentOverrides } from './deploy-file.ts'
import { Schedule } from './schedule.ts'

type Fields<T> = Record<keyof Required<T>, true>
type Entry = Config['deploy'][number]

const REACH = { access: true, cors: true, rate: true, domains: true } as const

test('the types of ryo-faas.config.ts have the fields of the schema', () => {
  const entry: Fields<Entry> = {
    ...{ name: true, packageDir: true, filePath: true, language: true, route: true, methods: true, async: true },
    ...{
      on: true,
      mainProcess: true,
      env: true,
      environments: true,
      secrets: true,
      store: true,
      files: true,
      unbundled: true,
    },
    ...{
      timeoutMs: true,
      memoryMb: true,
      cpus: true,
      instances: true,
      scale: true,
      concurrency: true,
      bodyLimitMb: true,
    },
    ...{ networks: true, egress: true, nodes: true, ca: true, export: true, schedule: true, node: true },
    ...{ command: true, dockerfile: true, readiness: true, python: true },
    ...REACH,
  }
  const schedule: Fields<NonNullable<Entry['schedule']>[number]> = {
    ...{ name: true, cron: true, every: true, at: true, zone: true },
    ...{ missed: true, overlap: true, path: true, body: true },
  }
  const overrides: Fields<NonNullable<Entry['environments']>[string]> = {
    ...{
      env: true,
      secrets: true,
      timeoutMs: true,
      memoryMb: true,
      cpus: true,
      instances: true,
      concurrency: true,
      scale: true,
    },
    ...{ networks: true, egress: true, nodes: true, ca: true },
    ...REACH,
  }
  expect(Object.keys(entry).sort()).toEqual(Object.keys(DeployEntry.shape).sort())
  expect(Object.keys(schedule).sort()).toEqual(Object.keys(Schedule.shape).sort())
  expect(Object.keys(overrides).sort()).toEqual(Object.keys(EnvironmentOverrides.shape).sort())
  const config = defineConfig({
    deploy: [
      { name: 'a', packageDir: '.', filePath: './a.ts', on: [{ table: 't', events: ['new-doc'] }], egress: 'none' },
    ],
  })
  expect(DeployFile.parse(config)).toMatchObject(config)
})
