/**
 * Compiles one file with decorators whose metadata tsconfig.json asks for (`emitDecoratorMetadata`): only the compiler
 * knows the types that metadata consists of. Everything else, JSX included, is left to the bundler. Synchronous; loads
 * the compiler.
 */
import { basename } from 'node:path'
import { ts } from 'ts-morph'
import type { CompileRequest } from './compile-request.ts'
import { withTypesByModule } from './decorated-types.ts'

/** What only CommonJS has. */
const COMMON_JS = /^\s*(?:import\s+[\w$]+\s*=\s*require\s*\(|export\s*=)/m

/** JavaScript (with JSX, if the file has any), and its source map at the end. */
export function compileDecorated({ path, text, compilerOptions }: CompileRequest): string {
  const { options } = ts.convertCompilerOptionsFromJson(compilerOptions, '/')
  const { target = ts.ScriptTarget.ESNext } = options
  const isCommonJs = path.endsWith('.cts') || COMMON_JS.test(text)
  // With `verbatimModuleSyntax` the user says which imports are types.
  const input = options.verbatimModuleSyntax || isCommonJs ? text : withTypesByModule(path, text)
  const { outputText } = ts.transpileModule(input, {
    // Its name without folders is what the source map says.
    fileName: basename(path),
    transformers: { before: [namedClasses] },
    compilerOptions: {
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
      useDefineForClassFields: options.useDefineForClassFields ?? target >= ts.ScriptTarget.ES2022,
      ...(options.strict !== undefined && { strict: options.strict }),
      ...(options.strictNullChecks !== undefined && { strictNullChecks: options.strictNullChecks }),
      ...(options.verbatimModuleSyntax !== undefined && { verbatimModuleSyntax: options.verbatimModuleSyntax }),
      target: ts.ScriptTarget.ESNext,
      module: isCommonJs ? ts.ModuleKind.CommonJS : ts.ModuleKind.ESNext,
      jsx: ts.JsxEmit.Preserve,
      inlineSourceMap: true,
    },
  })
  return outputText
}

/**
 * Classes tell their name themselves: a bundler renames one if two files have the same name for different things, and
 * frameworks name tables and modules after classes.
 */
const namedClasses: ts.TransformerFactory<ts.SourceFile> = context => file => {
  const visit = (node: ts.Node): ts.Node => {
    const visited = ts.visitEachChild(node, visit, context)
    if (!ts.isClassDeclaration(visited) || visited.name === undefined || hasOwnName(visited)) return visited
    const { factory } = context
    const { modifiers, name, typeParameters, heritageClauses, members } = visited
    const all = [nameBlock(factory, name.text), ...members]
    return factory.updateClassDeclaration(visited, modifiers, name, typeParameters, heritageClauses, all)
  }
  return ts.visitNode(file, visit, ts.isSourceFile)
}

function hasOwnName({ members }: ts.ClassDeclaration): boolean {
  return members.some(
    member =>
      member.name !== undefined &&
      ts.isIdentifier(member.name) &&
      member.name.text === 'name' &&
      ts.canHaveModifiers(member) &&
      ts.getModifiers(member)?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword) === true,
  )
}

/** `static { Object.defineProperty(this, 'name', { value: '…', configurable: true }) }` */
function nameBlock(factory: ts.NodeFactory, name: string): ts.ClassStaticBlockDeclaration {
  const descriptor = factory.createObjectLiteralExpression([
    factory.createPropertyAssignment('value', factory.createStringLiteral(name)),
    factory.createPropertyAssignment('configurable', factory.createTrue()),
  ])
  const define = factory.createPropertyAccessExpression(factory.createIdentifier('Object'), 'defineProperty')
  const given = [factory.createThis(), factory.createStringLiteral('name'), descriptor]
  const call = factory.createCallExpression(define, undefined, given)
  return factory.createClassStaticBlockDeclaration(factory.createBlock([factory.createExpressionStatement(call)]))
}
