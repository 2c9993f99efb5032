import { expect, it } from 'vitest'
import { DispatchedFunction } from './options.ts'

const fn = { route: 'fn', displayName: 'Fn', timeoutMs: 1 }

it('the policy of a function has the bounds that deploy.json has', () => {
  expect(DispatchedFunction.parse({ ...fn, async: { attempts: 100 } }).async.attempts).toBe(100)
  expect(DispatchedFunction.safeParse({ ...fn, async: { attempts: 101 } }).success).toBe(false)
})
