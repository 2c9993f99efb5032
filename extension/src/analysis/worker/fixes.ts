/** What the editor offers to make a problem go away, worked out together with the problem. */
import { ts } from 'ts-morph'
import { nearMatch, type Problem } from 'ryo-faas/contract'
import type { Fix, Subject } from '../protocol.ts'
import { importEdits, missingTypes } from './import-edits.ts'
import { signatureFixes } from './signature-fixes.ts'
import { declarationOf, exportsOf, functionOf, rangeOf } from './source.ts'

export function fixesFor(source: ts.SourceFile, problem: Problem, subject: Subject): Fix[] {
  const name = subject.kind === 'service' ? 'main' : (subject.export ?? subject.name)
  switch (problem.code) {
    case 'not-exported':
      return exportIt(source, name)
    case 'wrong-case':
    case 'no-such-export':
      return subject.kind === 'service' || subject.export !== undefined ? [] : renameEntry(source, subject.name)
    case 'unresolved-type':
      return [...importTypes(source, name), ...signatureFixes(source, name, { problem, kind: subject.kind })]
    case 'wrong-parameters':
    case 'wrong-return':
      return signatureFixes(source, name, { problem, kind: subject.kind })
    case 'is-generator':
      return withoutAsterisk(source, name)
    default:
      return []
  }
}

function exportIt(source: ts.SourceFile, name: string): Fix[] {
  const declaration = declarationOf(source, name)
  if (!declaration) return []
  const title = `Export "${name}"`
  const isCommonJs = /\.c[jt]s$/.test(source.fileName) || (!isModule(source) && /\bexports\b/.test(source.text))
  if (isCommonJs) {
    const range = rangeOf(source, source.text.length, source.text.length)
    return [{ kind: 'edit', title, edits: [{ range, text: `\nexports.${name} = ${name}\n` }], isPreferred: true }]
  }
  const statement = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration
  const start = statement.getStart(source)
  return [
    { kind: 'edit', title, edits: [{ range: rangeOf(source, start, start), text: 'export ' }], isPreferred: true },
  ]
}

function isModule(source: ts.SourceFile): boolean {
  return source.statements.some(
    statement =>
      ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement) || ts.isExportAssignment(statement),
  )
}

function renameEntry(source: ts.SourceFile, wanted: string): Fix[] {
  const names = exportsOf(source).map(({ name }) => name)
  const near = names.find(name => name.toLowerCase() === wanted.toLowerCase()) ?? nearMatch(wanted, names)
  const likely = near === undefined ? names.slice(0, 3) : [near]
  return likely.map(newName => ({
    kind: 'rename-entry',
    title: `Write "name": "${newName}" in deploy.json`,
    newName,
    isPreferred: newName === near,
  }))
}

function importTypes(source: ts.SourceFile, name: string): Fix[] {
  const written = functionOf(declarationOf(source, name))
  const types = written ? missingTypes(source, written) : []
  if (types.length === 0) return []
  const title = `Import ${types.join(' and ')}`
  return [{ kind: 'edit', title, edits: importEdits(source, types), isPreferred: true }]
}

function withoutAsterisk(source: ts.SourceFile, name: string): Fix[] {
  const written = functionOf(declarationOf(source, name))
  const asterisk = written && 'asteriskToken' in written ? written.asteriskToken : undefined
  if (!asterisk) return []
  const range = rangeOf(source, asterisk.getStart(source), asterisk.getEnd())
  return [{ kind: 'edit', title: 'Make it a plain function', edits: [{ range, text: '' }], isPreferred: false }]
}
