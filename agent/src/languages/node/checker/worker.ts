/** The checker in a thread of its own: answers one message after the other. An entry point. */
import { parentPort, workerData } from 'node:worker_threads'
import { Checker } from './checker.ts'
import type { WorkerAnswer, WorkerOptions, WorkerQuestion } from './check-service.ts'

const { types } = workerData as WorkerOptions
const checker = types ? new Checker(types) : new Checker()

parentPort!.on('message', ({ id, requests }: WorkerQuestion) => parentPort!.postMessage(answer(id, requests)))

function answer(id: number, requests: WorkerQuestion['requests']): WorkerAnswer {
  try {
    if (requests.length === 0) checker.warmUp()
    return { id, outcomes: requests.map(request => checker.check(request)) }
  } catch (error) {
    return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}
