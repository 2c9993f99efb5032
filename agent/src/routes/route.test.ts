import { expect, it } from 'vitest'
import { Route, RouteTable } from './index.ts'

const route = { name: 'fn', displayName: 'Fn', version: 1, timeoutMs: 1, concurrency: 0, instances: [] }

it('the policy of a function has the bounds that deploy.json has', () => {
  expect(Route.parse({ ...route, policy: { attempts: 100 } }).policy.attempts).toBe(100)
  expect(Route.safeParse({ ...route, policy: { attempts: 101 } }).success).toBe(false)
  expect(Route.safeParse({ ...route, async: { attempts: 101, backoffMs: 1, concurrency: 1 } }).success).toBe(false)
})

it('a table of an earlier release, without policies and triggers, is valid', () => {
  const { routes } = RouteTable.parse({ generation: 1, routes: [{ ...route, async: { attempts: 2 } }] })
  expect(routes[0]).toMatchObject({ async: { attempts: 2 }, policy: { attempts: 5 }, triggers: [] })
})

it('what a later release adds is ignored', () => {
  expect(Route.parse({ ...route, later: true })).toEqual({ ...Route.parse(route) })
})
