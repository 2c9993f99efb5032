/**
 * The settings in a module such as `ryo-faas.config.ts`, read without running it: no code of a package runs on this
 * machine. What can be seen in its text counts (literals, constants of the module, spreads, templates, `defineConfig`,
 * `satisfies`); anything else is refused where it is.
 *
 * The result is a tree like that of a JSON file, so that whatever is found wrong in it later has a place as well.
 */
import { parse, type ParserOptions } from '@babel/parser'
import { getNodeValue, type Node } from 'jsonc-parser'

export type ConfigTree =
  { kind: 'read'; root: Node } | { kind: 'problem'; message: string; offset: number; length: number }

type Module = ReturnType<typeof parse>
type Statement = Module['program']['body'][number]
type Expression = Extract<Statement, { type: 'ExpressionStatement' }>['expression']

const OPTIONS: ParserOptions = { sourceType: 'module', plugins: ['typescript'] }
const RUN = 'this would have to be run: only literals, constants of this file, spreads and templates are read'

class Unreadable extends Error {
  readonly at: { start?: number | null; end?: number | null }

  constructor(at: { start?: number | null; end?: number | null }, message = RUN) {
    super(message)
    this.at = at
  }
}

export function configTree(text: string): ConfigTree {
  let module: Module
  try {
    module = parse(text, OPTIONS)
  } catch (error) {
    const { message, pos = 0 } = error as Error & { pos?: number }
    return { kind: 'problem', message: message.replace(/ \(\d+:\d+\)$/, ''), offset: pos, length: 1 }
  }
  try {
    return { kind: 'read', root: new Reader(module.program.body).read() }
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    const { start, end } = error.at
    return { kind: 'problem', message: error.message, offset: start ?? 0, length: (end ?? 0) - (start ?? 0) }
  }
}

class Reader {
  readonly #body: readonly Statement[]
  readonly #constants = new Map<string, Expression>()
  /** Being read: a constant cannot contain itself. */
  readonly #open = new Set<string>()

  constructor(body: readonly Statement[]) {
    this.#body = body
    for (const statement of body) {
      const declared = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
      if (declared?.type !== 'VariableDeclaration' || declared.kind !== 'const') continue
      for (const { id, init } of declared.declarations) {
        if (id.type === 'Identifier' && init) this.#constants.set(id.name, init)
      }
    }
  }

  read(): Node {
    for (const statement of this.#body) {
      const found = exportedBy(statement)
      if (found !== undefined) return this.#required(found)
    }
    throw new Unreadable({}, 'nothing is exported: write "export default defineConfig({ … })"')
  }

  #required(expression: Expression): Node {
    const node = this.#node(expression)
    if (node === undefined) throw new Unreadable(expression)
    return node
  }

  /** @returns undefined for `undefined`, which leaves a field out */
  #node(expression: Expression): Node | undefined {
    switch (expression.type) {
      case 'StringLiteral':
      case 'NumericLiteral':
      case 'BooleanLiteral':
        return leaf(expression, expression.value)
      case 'NullLiteral':
        return leaf(expression, null)
      case 'TemplateLiteral':
        return leaf(expression, this.#template(expression))
      case 'UnaryExpression': {
        const value: unknown = getNodeValue(this.#required(expression.argument))
        if (expression.operator !== '-' || typeof value !== 'number') throw new Unreadable(expression)
        return leaf(expression, -value)
      }
      case 'TSAsExpression':
      case 'TSSatisfiesExpression':
      case 'TSNonNullExpression':
      case 'ParenthesizedExpression':
        return this.#node(expression.expression)
      case 'CallExpression': {
        const [argument, ...others] = expression.arguments
        const isDefine = expression.callee.type === 'Identifier' && expression.callee.name === 'defineConfig'
        if (!isDefine || argument === undefined || others.length > 0) throw new Unreadable(expression)
        return this.#node(argument as Expression)
      }
      case 'Identifier':
        return expression.name === 'undefined' ? undefined : this.#constant(expression)
      case 'MemberExpression':
        return this.#member(expression)
      case 'ArrayExpression':
        return this.#list(expression)
      case 'ObjectExpression':
        return this.#object(expression)
      default:
        throw new Unreadable(expression)
    }
  }

  #constant(identifier: Extract<Expression, { type: 'Identifier' }>): Node | undefined {
    const { name } = identifier
    const value = this.#constants.get(name)
    if (value === undefined || this.#open.has(name)) {
      throw new Unreadable(identifier, `"${name}" is not a constant of this file: its value would have to be run`)
    }
    this.#open.add(name)
    try {
      return this.#node(value)
    } finally {
      this.#open.delete(name)
    }
  }

  #member(expression: Extract<Expression, { type: 'MemberExpression' }>): Node | undefined {
    const { object, property, computed } = expression
    if (isEnvironment(object)) {
      throw new Unreadable(expression, 'variables are read when it is deployed: write them as "${NAME}" in "env"')
    }
    const key = computed
      ? (getNodeValue(this.#required(property as Expression)) as unknown)
      : property.type === 'Identifier'
        ? property.name
        : undefined
    const holder = this.#required(object)
    if (holder.type === 'array' && typeof key === 'number') return holder.children![key]
    const field =
      holder.type === 'object' ? holder.children!.find(({ children }) => children![0]!.value === key) : undefined
    if (field === undefined) throw new Unreadable(expression)
    return field.children![1]
  }

  #template({ quasis, expressions }: Extract<Expression, { type: 'TemplateLiteral' }>): string {
    return quasis
      .map(({ value }, index) => {
        const inner = expressions[index] as Expression | undefined
        if (inner === undefined) return value.cooked ?? ''
        const text = getNodeValue(this.#required(inner)) as string | number | boolean | object | null
        if (typeof text === 'object') throw new Unreadable(inner)
        return `${value.cooked ?? ''}${String(text)}`
      })
      .join('')
  }

  #list(expression: Extract<Expression, { type: 'ArrayExpression' }>): Node {
    const children = expression.elements.flatMap(element => {
      if (element === null) throw new Unreadable(expression)
      if (element.type !== 'SpreadElement') return [this.#required(element)]
      const spread = this.#required(element.argument)
      if (spread.type !== 'array') throw new Unreadable(element)
      return spread.children!
    })
    return { type: 'array', ...place(expression), children }
  }

  #object(expression: Extract<Expression, { type: 'ObjectExpression' }>): Node {
    const fields = new Map<string, Node>()
    for (const property of expression.properties) {
      if (property.type === 'SpreadElement') {
        const spread = this.#required(property.argument)
        if (spread.type !== 'object') throw new Unreadable(property)
        for (const field of spread.children!) fields.set(String(field.children![0]!.value), field)
        continue
      }
      if (property.type !== 'ObjectProperty' || property.computed) throw new Unreadable(property)
      const { key } = property
      const name = key.type === 'Identifier' ? key.name : key.type === 'StringLiteral' ? key.value : undefined
      if (name === undefined) throw new Unreadable(key)
      const value = this.#node(property.value as Expression)
      if (value === undefined) fields.delete(name)
      else fields.set(name, { type: 'property', ...place(property), children: [leaf(key, name), value] })
    }
    return { type: 'object', ...place(expression), children: [...fields.values()] }
  }
}

function exportedBy(statement: Statement): Expression | undefined {
  if (statement.type === 'ExportDefaultDeclaration') return statement.declaration as Expression
  if (statement.type !== 'ExpressionStatement' || statement.expression.type !== 'AssignmentExpression') return undefined
  const { left, right } = statement.expression
  const isExports =
    left.type === 'MemberExpression' && isNamed(left.object, 'module') && isNamed(left.property, 'exports')
  return isExports ? right : undefined
}

function isEnvironment(expression: { type: string }): boolean {
  const { object, property } = expression as { object?: { type: string }; property?: { type: string } }
  return expression.type === 'MemberExpression' && isNamed(object, 'process') && isNamed(property, 'env')
}

function isNamed(node: { type: string } | undefined, name: string): boolean {
  return node?.type === 'Identifier' && (node as { name?: string }).name === name
}

function leaf(at: { start?: number | null; end?: number | null }, value: string | number | boolean | null): Node {
  return { type: value === null ? 'null' : (typeof value as 'string' | 'number' | 'boolean'), ...place(at), value }
}

function place({ start, end }: { start?: number | null; end?: number | null }): { offset: number; length: number } {
  return { offset: start ?? 0, length: (end ?? 0) - (start ?? 0) }
}
