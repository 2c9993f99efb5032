/** The types that handlers are written with, as they are called in one module: imports, their aliases, and globals. */
import { ts } from 'ts-morph'

const HTTP_TYPES = ['IncomingMessage', 'ServerResponse']
const RUNTIME_TYPES = [
  'CloudEvent',
  'CloudEventHandler',
  'DocumentEvent',
  'FunctionContext',
  'HttpHandler',
  'PlainWebHandler',
  'Service',
  'TriggerHandler',
  'WebHandler',
]
const GLOBAL_TYPES = ['Request', 'Response']
const RUNTIME_MODULE = '@ryo-faas/runtime'

/** Module that a type comes from; undefined for one that is there without an import. */
export function homeOfType(name: string): string | undefined {
  if (HTTP_TYPES.includes(name)) return 'node:http'
  return RUNTIME_TYPES.includes(name) ? RUNTIME_MODULE : undefined
}

function typesOfModule(module: string): string[] {
  if (/^(?:node:)?https?$/.test(module)) return HTTP_TYPES
  return module === RUNTIME_MODULE ? RUNTIME_TYPES : []
}

export class HandlerTypes {
  /** Name in this module → name where it comes from. */
  readonly #names = new Map<string, string>()
  /** `http` of `import * as http from 'node:http'`. */
  readonly #namespaces = new Map<string, string[]>()

  constructor(source: ts.SourceFile) {
    for (const name of GLOBAL_TYPES) this.#names.set(name, name)
    for (const statement of source.statements) {
      if (ts.isImportDeclaration(statement)) this.#addImport(statement)
      else if (ts.isClassDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) this.#hide(statement.name)
      else if (ts.isInterfaceDeclaration(statement)) this.#hide(statement.name)
    }
  }

  /** What a type node means, `Promise<…>` and brackets taken away. */
  nameOf(node: ts.TypeNode | undefined): string | undefined {
    if (!node) return undefined
    if (ts.isParenthesizedTypeNode(node)) return this.nameOf(node.type)
    if (ts.isTypeReferenceNode(node)) {
      if (node.typeName.getText() === 'Promise') return this.nameOf(node.typeArguments?.[0])
      return this.#ofEntity(node.typeName)
    }
    if (ts.isImportTypeNode(node)) {
      const { argument, qualifier } = node
      const module = ts.isLiteralTypeNode(argument) && ts.isStringLiteral(argument.literal) ? argument.literal.text : ''
      const name = qualifier?.getText() ?? ''
      return typesOfModule(module).includes(name) ? name : undefined
    }
    return node.kind === ts.SyntaxKind.VoidKeyword ? 'void' : undefined
  }

  /** Whether any of the types occurs in the node. */
  mentions(node: ts.TypeNode | undefined): boolean {
    if (!node) return false
    const name = this.nameOf(node)
    if (name !== undefined && name !== 'void') return true
    return ts.forEachChild(node, child => ts.isTypeNode(child) && this.mentions(child)) ?? false
  }

  #ofEntity(entity: ts.EntityName): string | undefined {
    if (ts.isIdentifier(entity)) return this.#names.get(entity.text)
    const types = ts.isIdentifier(entity.left) ? this.#namespaces.get(entity.left.text) : undefined
    return types?.includes(entity.right.text) ? entity.right.text : undefined
  }

  #addImport({ importClause, moduleSpecifier }: ts.ImportDeclaration): void {
    if (!importClause || !ts.isStringLiteral(moduleSpecifier)) return
    const types = typesOfModule(moduleSpecifier.text)
    if (importClause.name) this.#addNamespace(importClause.name, types)
    const bindings = importClause.namedBindings
    if (!bindings) return
    if (ts.isNamespaceImport(bindings)) return this.#addNamespace(bindings.name, types)
    for (const element of bindings.elements) {
      this.#hide(element.name)
      const original = (element.propertyName ?? element.name).text
      if (types.includes(original)) this.#names.set(element.name.text, original)
    }
  }

  #addNamespace(name: ts.Identifier, types: string[]): void {
    this.#hide(name)
    if (types.length > 0) this.#namespaces.set(name.text, types)
  }

  /** A name of the module's own hides the global one. */
  #hide(name: ts.Identifier | undefined): void {
    if (name) this.#names.delete(name.text)
  }
}
