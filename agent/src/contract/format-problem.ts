import type { Problem } from './problem.ts'

/** `file:line:column  message`, a form that terminals and editors make clickable. */
export function formatProblem(problem: Problem): string {
  const place = `${problem.file}:${problem.line}:${problem.column}`
  return `${place} - ${problem.message} [${problem.code}]${problem.hint ? `\n    ${problem.hint}` : ''}`
}
