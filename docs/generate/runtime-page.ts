/** The page for what functions import, from the declarations and their comments. */
import { readFile } from 'node:fs/promises'
import ts from 'typescript'
import { block, code, pageHead } from './markdown.ts'

export interface Entry {
  /** As functions import it. */
  name: string
  file: URL
}

export async function runtimePage(entries: Entry[]): Promise<string> {
  const sections = await Promise.all(entries.map(async entry => sectionOf(entry)))
  return [
    pageHead(
      'Runtime API',
      `What functions import from ${code('@ryo-faas/runtime')}. It comes with the platform: nothing needs to be installed.`,
      [2, 3],
    ),
    ...sections,
  ].join('\n')
}

async function sectionOf({ name, file }: Entry): Promise<string> {
  const index = await parse(file)
  const parts: string[] = []
  for (const statement of index.statements) {
    if (!ts.isExportDeclaration(statement) || !statement.moduleSpecifier || !statement.exportClause) continue
    const path = (statement.moduleSpecifier as ts.StringLiteral).text
    if (!ts.isNamedExports(statement.exportClause)) continue
    for (const { name: exported } of statement.exportClause.elements)
      parts.push(await declarationOf(exported.text, new URL(path, file)))
  }
  for (const statement of index.statements) if (isExported(statement)) parts.push(written(statement, index))
  return [`## ${name}\n`, ...parts].join('\n')
}

/** Where a module says `export type { X }` of what it imported, it is declared there. */
async function declarationOf(name: string, file: URL): Promise<string> {
  const source = await parse(file)
  for (const statement of source.statements) {
    if (isDeclaration(statement) && statement.name?.text === name) return written(statement, source)
    if (!ts.isImportDeclaration(statement)) continue
    const bindings = statement.importClause?.namedBindings
    if (!bindings || !ts.isNamedImports(bindings)) continue
    if (bindings.elements.some(element => element.name.text === name))
      return declarationOf(name, new URL((statement.moduleSpecifier as ts.StringLiteral).text, file))
    continue
  }
  for (const statement of source.statements) {
    if (!ts.isExportDeclaration(statement) || !statement.exportClause || !statement.moduleSpecifier) continue
    if (!ts.isNamedExports(statement.exportClause)) continue
    if (statement.exportClause.elements.some(element => element.name.text === name))
      return declarationOf(name, new URL((statement.moduleSpecifier as ts.StringLiteral).text, file))
  }
  throw new Error(`${file.pathname} does not declare ${name}`)
}

async function parse(file: URL): Promise<ts.SourceFile> {
  return ts.createSourceFile(file.pathname, await readFile(file, 'utf8'), ts.ScriptTarget.Latest, true)
}

type Declaration = ts.InterfaceDeclaration | ts.TypeAliasDeclaration | ts.FunctionDeclaration | ts.ClassDeclaration

function isDeclaration(node: ts.Node): node is Declaration {
  return (
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isFunctionDeclaration(node) ||
    ts.isClassDeclaration(node)
  )
}

function isExported(node: ts.Statement): node is Declaration {
  return isDeclaration(node) && (node.modifiers ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
}

function written(node: Declaration, source: ts.SourceFile): string {
  const title = ts.isFunctionDeclaration(node) ? `${node.name!.text}()` : node.name!.text
  const { prose, tags } = commentOf(node)
  return [`### ${title}\n`, prose && `${prose}\n`, block('ts', declaration(node, source)), tags]
    .filter(Boolean)
    .join('\n')
}

function commentOf(node: Declaration): { prose: string; tags: string } {
  const docs = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc)
  const prose = docs
    .map(doc => ts.getTextOfJSDocComment(doc.comment) ?? '')
    .join('\n\n')
    .replaceAll(/\s*\n(?!\n)\s*/g, ' ')
  const tags = ts.getJSDocTags(node).map(tag => {
    const name = ts.isJSDocParameterTag(tag) ? ` ${code(tag.name.getText())}` : ''
    return `- ${tag.tagName.text}${name}: ${(ts.getTextOfJSDocComment(tag.comment) ?? '').replaceAll(/\s+/g, ' ')}`
  })
  return { prose, tags: tags.length === 0 ? '' : tags.join('\n') + '\n' }
}

/** Without bodies and private members. */
function declaration(node: Declaration, source: ts.SourceFile): string {
  const text = (inner: ts.Node, end = inner.getEnd()) => source.text.slice(inner.getStart(source), end).trim()
  if (ts.isFunctionDeclaration(node)) return text(node, node.body?.getStart(source))
  if (!ts.isClassDeclaration(node)) return text(node)
  const members = node.members
    .filter(member => member.name === undefined || !ts.isPrivateIdentifier(member.name))
    .map(member => {
      const comment = ts.getJSDocCommentsAndTags(member)[0]
      const body = (member as { body?: ts.Node }).body
      return `${comment ? `${text(comment)}\n  ` : ''}${text(member, body?.getStart(source))}`
    })
  return `${text(node, node.members.pos)}\n  ${members.join('\n  ')}\n}`
}
