/** The checker's verdict on several exports of one file as the editor holds it, with fixes for what is wrong. */
import { readFileSync } from 'node:fs'
import { isOwnForm, type Checker } from 'ryo-faas/checker'
import type { CheckAnswer, Subject, Verdict } from '../protocol.ts'
import { fixesFor } from './fixes.ts'
import { parse } from './source.ts'

interface CheckedFile {
  file: string
  /** Absent: as it is on disk. */
  text: string | undefined
  subjects: Subject[]
}

export function checkSubjects(checker: Checker, { file, text, subjects }: CheckedFile): CheckAnswer {
  const source = parse(file, text ?? onDisk(file))
  const verdicts = subjects.map((subject): Verdict => {
    const outcome = checker.check({ ...subject, filePath: file }, text)
    if (outcome.kind === 'accepted') return { kind: 'accepted', ...(!isOwnForm(outcome) && { dialect: outcome.form }) }
    const findings = outcome.problems.map(problem => ({ problem, fixes: fixesFor(source, problem, subject) }))
    return { kind: 'rejected', findings }
  })
  return { verdicts }
}

function onDisk(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return '' // The checker says what is wrong with it.
  }
}
