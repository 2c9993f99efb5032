/**
 * What tests import as `@ryo-faas/runtime/testing`: functions of any style run in the process of the test, with a store
 * in memory. It knows no test framework.
 */
import { provideAwslambda } from '../serve/dialects/index.ts'

// Streaming handlers of Lambda use it while their module loads, which is after this one.
provideAwslambda()

export type { ForeignStyle } from './styles.ts'
export type { TestOptions, TriggerSpec } from './options.ts'
export type { TestApp, TestRequestInit } from './test-app.ts'
export type { CallAnswer, RecordedCall, RecordedCallback } from './test-calls.ts'
export { TestClock, type TestClockOptions } from '../schedules/manual-clock.ts'
export { testFunction } from './test-function.ts'
export type { RecordedError, RecordedLog } from './test-outlet.ts'
export { TestStore, type BatchOperation, type Seed } from './test-store.ts'
export type { ScheduleSpec } from './test-schedules.ts'
export type { TestEvent } from './test-triggers.ts'
