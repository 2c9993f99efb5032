/**
 * Metadata names the imported types of what is decorated. Without the other files the compiler cannot know which of
 * them are classes and which exist only as types, and importing one of the latter by name is an error at run time. So
 * they are taken from the whole module (`import * as x`), where what does not exist is `undefined`, and becomes `Object`.
 */
import { ts } from 'ts-morph'
import { TYPES_NAMESPACE, TYPES_SUFFIX } from './compile-request.ts'

interface Import {
  declaration: ts.ImportDeclaration
  specifier: string
  exported: string
}

interface Edit {
  at: number
  end: number
  text: string
}

/** The text with those imports added, on the same lines. */
export function withTypesByModule(path: string, text: string): string {
  const kind = path.endsWith('x') ? ts.ScriptKind.TSX : ts.ScriptKind.TS
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, kind)
  const imports = importedNames(file)
  const namespaces = new Map<ts.ImportDeclaration, { name: string; specifier: string }>()
  const edits: Edit[] = []
  for (const name of decoratedTypeNames(file)) {
    const found = imports.get(name.text)
    if (!found) continue
    const { declaration, specifier, exported } = found
    const namespace = namespaces.get(declaration) ?? { name: `${TYPES_NAMESPACE}${namespaces.size}`, specifier }
    namespaces.set(declaration, namespace)
    edits.push({ at: name.getStart(file), end: name.end, text: `${namespace.name}.${exported}` })
  }
  for (const [declaration, { name, specifier }] of namespaces) {
    const added = `; import * as ${name} from ${JSON.stringify(specifier + TYPES_SUFFIX)};`
    edits.push({ at: declaration.end, end: declaration.end, text: added })
  }
  edits.sort((a, b) => b.at - a.at)
  return edits.reduce((result, { at, end, text }) => result.slice(0, at) + text + result.slice(end), text)
}

/** Names that the file imports as possible values. */
function importedNames(file: ts.SourceFile): Map<string, Import> {
  const imports = new Map<string, Import>()
  for (const declaration of file.statements) {
    if (!ts.isImportDeclaration(declaration) || !ts.isStringLiteral(declaration.moduleSpecifier)) continue
    const { importClause, moduleSpecifier } = declaration
    if (!importClause || importClause.isTypeOnly) continue
    const specifier = moduleSpecifier.text
    if (importClause.name) imports.set(importClause.name.text, { declaration, specifier, exported: 'default' })
    const { namedBindings } = importClause
    if (!namedBindings || !ts.isNamedImports(namedBindings)) continue
    for (const { name, propertyName = name, isTypeOnly } of namedBindings.elements) {
      if (!isTypeOnly && ts.isIdentifier(propertyName)) {
        imports.set(name.text, { declaration, specifier, exported: propertyName.text })
      }
    }
  }
  return imports
}

/** The first identifier of each type in what is decorated. */
function decoratedTypeNames(file: ts.SourceFile): ts.Identifier[] {
  const names: ts.Identifier[] = []
  const collect = (node: ts.Node): void => {
    if (ts.isTypeReferenceNode(node)) {
      let { typeName } = node
      while (ts.isQualifiedName(typeName)) typeName = typeName.left
      names.push(typeName)
    }
    ts.forEachChild(node, collect)
  }
  const visit = (node: ts.Node): void => {
    if (ts.isClassLike(node)) {
      for (const member of node.members) {
        const decorated = hasDecorator(member) || parametersOf(member).some(hasDecorator)
        if (!decorated && !(ts.isConstructorDeclaration(member) && hasDecorator(node))) continue
        for (const { type } of [member as { type?: ts.TypeNode }, ...parametersOf(member)]) if (type) collect(type)
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return names
}

function parametersOf(member: ts.ClassElement): readonly ts.ParameterDeclaration[] {
  return ts.isFunctionLike(member) ? member.parameters : []
}

function hasDecorator(node: ts.Node): boolean {
  return ts.canHaveDecorators(node) && (ts.getDecorators(node)?.length ?? 0) > 0
}
