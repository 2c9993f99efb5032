/** Functions as tables, each a test of what the checker says of it. */
import { afterAll, describe, expect, it } from 'vitest'
import type { CheckOutcome } from '../check.ts'
import { Checker } from '../checker.ts'
import { temporaryPackage, type TemporaryPackage } from './temporary-package.ts'

interface Case {
  title: string
  code: string
  /** Default `handler.ts`. */
  file?: string
  kind?: 'http' | 'async' | 'trigger' | 'service'
  on?: readonly ('document' | 'event')[]
}

type Accepted = Extract<CheckOutcome, { kind: 'accepted' }>

export interface AcceptedCase extends Case {
  others?: Record<string, string>
  style: Accepted['style']
  takesContext?: true
  exportName?: string
  takesCloudEvent?: true
}

export interface RejectedCase extends Case {
  problem: string
  /** The code that the problem points at; absent: the file. */
  at?: string
  /** Default: the first occurrence of `at`. */
  line?: number
  says: RegExp
  hints?: RegExp
}

export interface CheckerBench {
  checker: Checker
  folder: TemporaryPackage
  accepts(cases: readonly AcceptedCase[]): void
  rejects(cases: readonly RejectedCase[]): void
}

/** What is imported by the functions of a table. */
export const NODE = `import type { IncomingMessage, ServerResponse } from 'node:http'\n`

/** A checker for one file of tests: one package for all of them, warm after the first. */
export function useChecker(): CheckerBench {
  const checker = new Checker()
  const folder = temporaryPackage()
  afterAll(() => {
    checker.close()
    folder.remove()
  })
  let cases = 0

  /** @param apart where other files matter */
  const check = ({ code, file = 'handler.ts', kind = 'http', on }: Case, apart?: Record<string, string>) => {
    const number = ++cases
    const packageDir = folder.path(apart ? `case-${number}` : 'common')
    const name = apart ? file : `case-${number}-${file}`
    const files = Object.entries({ ...apart, [name]: code })
    folder.write(
      Object.fromEntries(files.map(([path, text]) => [`${apart ? `case-${number}` : 'common'}/${path}`, text])),
    )
    const filePath = `${packageDir}/${name}`
    return { filePath, outcome: checker.check({ name: 'HelloWorld', kind, ...(on && { on }), packageDir, filePath }) }
  }

  return {
    checker,
    folder,
    accepts(table) {
      describe('accepts', () => {
        for (const given of table) {
          it(given.title, () => {
            const { others, style, exportName = 'HelloWorld', takesContext, takesCloudEvent } = given
            const said = { style, takesContext, takesCloudEvent, exportName, form: expect.any(String) as string }
            expect(check(given, others).outcome).toEqual({ kind: 'accepted', ...said })
          })
        }
      })
    },
    rejects(table) {
      describe('rejects', () => {
        for (const given of table) {
          it(given.title, () => {
            const { code, problem, at, says, hints } = given
            const { outcome, filePath } = check(given)
            if (outcome.kind !== 'rejected') throw new Error(`accepted as ${outcome.style}`)
            expect(outcome.problems).toHaveLength(1)
            const [found] = outcome.problems
            const message = expect.stringMatching(says) as string
            expect(found).toMatchObject({ code: problem, file: filePath, message })
            if (hints) expect(found!.hint).toMatch(hints)
            if (at === undefined) {
              expect(found).toMatchObject({ line: 1, column: 1 })
              return
            }
            const lines = code.split('\n')
            const line = given.line ?? lines.findIndex(text => text.includes(at)) + 1
            expect(found).toMatchObject({ line, endLine: line })
            expect(lines[line - 1]!.slice(found!.column - 1, found!.endColumn! - 1)).toBe(at)
          })
        }
      })
    },
  }
}
