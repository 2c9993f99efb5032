/**
 * Entry of the analysis worker: the compiler and the checker in a thread of their own. Outlines go before other waiting
 * questions, because the screen waits for them.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { Checker } from 'ryo-faas/checker'
import type { Answer, Question, WorkerSetup } from '../protocol.ts'
import { checkSubjects } from './check-subjects.ts'
import { outlineOf } from './outline.ts'

const checker = new Checker((workerData as WorkerSetup).types)
const waiting: Question[] = []

parentPort!.on('message', (question: Question) => {
  waiting.push(question)
  // Behind the messages that have arrived already.
  setImmediate(answerNext)
})

function answerNext(): void {
  const urgent = waiting.findIndex(({ type }) => type === 'outline')
  const [question] = waiting.splice(Math.max(urgent, 0), 1)
  if (question) parentPort!.postMessage(answer(question))
}

function answer(question: Question): Answer {
  const { id } = question
  try {
    switch (question.type) {
      case 'outline':
        return { id, result: outlineOf(question.file, question.text) }
      case 'check':
        return { id, result: checkSubjects(checker, question) }
      case 'forget':
        checker.forget(question.file)
        return { id, result: undefined }
      case 'heap':
        ;(globalThis as { gc?: () => void }).gc?.()
        return { id, result: { usedBytes: process.memoryUsage().heapUsed } }
    }
  } catch (error) {
    return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}
