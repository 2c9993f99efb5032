/** Adds what a function prints during an invocation to its span, so that a trace shows its log. */
import { format } from 'node:util'
import { running } from '../context.ts'

/** Prefix of `context.log`: redundant in the span. */
const STAMP = /^(?:DEBUG|INFO|WARN|ERROR) {1,2}\[[^\]]*\] /

const LEVELS = ['debug', 'info', 'log', 'warn', 'error'] as const

export function traceConsole(target: Console): void {
  for (const level of LEVELS) {
    const print = target[level].bind(target)
    target[level] = (...parts: unknown[]) => {
      print(...parts)
      const span = running.getStore()?.span
      if (span?.isRecorded === true) span.addLog(level === 'log' ? 'info' : level, format(...parts).replace(STAMP, ''))
    }
  }
}
