/**
 * Rewrites the head of a function so that it is a handler: names of parameters stay, types and result change. For HTTP
 * there are two forms; the one the function is nearer to comes first.
 */
import { ts } from 'ts-morph'
import type { DeploymentKind, Problem } from 'ryo-faas/contract'
import type { Fix, TextEdit } from '../protocol.ts'
import { importEdits } from './import-edits.ts'
import { declarationOf, functionOf, isJavaScript, rangeOf, rangeOfNode } from './source.ts'

interface Form {
  title: string
  parameters: { name: string; type: string }[]
  /** The result, when awaited. */
  returns: 'void' | 'Response'
}

const NODE: Form = {
  title: 'Take (request: IncomingMessage, response: ServerResponse)',
  parameters: [
    { name: 'request', type: 'IncomingMessage' },
    { name: 'response', type: 'ServerResponse' },
  ],
  returns: 'void',
}
const WEB: Form = {
  title: 'Take (request: Request) and return a Response',
  parameters: [{ name: 'request', type: 'Request' }],
  returns: 'Response',
}
const TRIGGER: Form = {
  title: 'Take (event: DocumentEvent)',
  parameters: [{ name: 'event', type: 'DocumentEvent' }],
  returns: 'void',
}
const SERVICE: Form = {
  title: 'Take (service: Service)',
  parameters: [{ name: 'service', type: 'Service' }],
  returns: 'void',
}

export function signatureFixes(
  source: ts.SourceFile,
  name: string,
  { problem, kind }: { problem: Problem; kind: DeploymentKind },
): Fix[] {
  const written = functionOf(declarationOf(source, name))
  if (!written?.body) return []
  if (problem.code === 'wrong-return') {
    const wrapped = wrapResult(source, written)
    if (wrapped) return [wrapped]
  }
  const [first, ...others] = formsOf(kind, written)
  const fixes = [first, ...others].map((form, index) =>
    rewriteHead(source, written, { form, isPreferred: index === 0 }),
  )
  return fixes.filter(fix => fix.edits.length > 0)
}

function formsOf(kind: DeploymentKind, written: ts.FunctionLikeDeclaration): [Form, ...Form[]] {
  switch (kind) {
    case 'trigger':
      return [TRIGGER]
    case 'service':
      return [SERVICE]
    case 'http':
    case 'async':
      return isNodeLike(written) ? [NODE, WEB] : [WEB, NODE]
  }
}

function isNodeLike({ parameters, body }: ts.FunctionLikeDeclaration): boolean {
  if (parameters.some(({ type }) => /\b(?:IncomingMessage|ServerResponse)\b/.test(type?.getText() ?? ''))) return true
  const second = parameters[1]?.name.getText()
  return second !== undefined && new RegExp(`\\b${second}\\.(?:end|write|writeHead|setHeader)\\b`).test(body!.getText())
}

function rewriteHead(
  source: ts.SourceFile,
  written: ts.FunctionLikeDeclaration,
  { form, isPreferred }: { form: Form; isPreferred: boolean },
): Fix & { kind: 'edit' } {
  const isTyped = !isJavaScript(source)
  const edits: TextEdit[] = []
  const own = written.parameters.filter(({ name }) => name.getText() !== 'this')
  const parameters = form.parameters.map(({ name, type }, index) => {
    const kept = own[index]?.name.getText() ?? name
    return isTyped ? `${kept}: ${type}` : kept
  })
  const context = own[form.parameters.length]
  if (context && /\bFunctionContext$/.test(context.type?.getText() ?? '')) parameters.push(context.getText())
  const before = own.map(parameter => parameter.getText()).join(', ')
  if (before !== parameters.join(', ')) edits.push(replaceParameters(source, written, parameters.join(', ')))
  if (isTyped && written.type) {
    const isAsync = written.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.AsyncKeyword) === true
    const returned = isAsync ? `Promise<${form.returns}>` : form.returns
    if (written.type.getText() !== returned && !isUnion(written.type)) {
      edits.push({ range: rangeOfNode(written.type), text: returned })
    }
  }
  if (edits.length > 0 && isTyped) {
    edits.push(
      ...importEdits(
        source,
        form.parameters.map(({ type }) => type),
      ),
    )
  }
  return { kind: 'edit', title: form.title, edits, isPreferred }
}

function isUnion(node: ts.TypeNode): boolean {
  return ts.isUnionTypeNode(node) || (ts.isTypeReferenceNode(node) && node.typeArguments?.some(isUnion) === true)
}

function replaceParameters(source: ts.SourceFile, written: ts.FunctionLikeDeclaration, text: string): TextEdit {
  const children = written.getChildren(source)
  const open = children.find(({ kind }) => kind === ts.SyntaxKind.OpenParenToken)
  const close = children.find(({ kind }) => kind === ts.SyntaxKind.CloseParenToken)
  if (open && close) return { range: rangeOf(source, open.getEnd(), close.getStart(source)), text }
  // `x => …` has no brackets.
  return { range: rangeOfNode(written.parameters[0]!), text: `(${text})` }
}

/** `return 'hi'` → `return new Response('hi')`; what is not text becomes JSON. */
function wrapResult(source: ts.SourceFile, written: ts.FunctionLikeDeclaration): Fix | undefined {
  const results = resultsOf(written.body!)
  if (results.length === 0 || results.some(isResponse)) return undefined
  const edits = results.map((node): TextEdit => {
    const inner = ts.isParenthesizedExpression(node) ? node.expression : node
    const text = inner.getText(source)
    return { range: rangeOfNode(node), text: isText(inner) ? `new Response(${text})` : `Response.json(${text})` }
  })
  if (written.type) {
    const isAsync = written.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.AsyncKeyword) === true
    edits.push({ range: rangeOfNode(written.type), text: isAsync ? 'Promise<Response>' : 'Response' })
  }
  return { kind: 'edit', title: 'Wrap the result in a Response', edits, isPreferred: true }
}

function resultsOf(body: ts.Node): ts.Expression[] {
  if (!ts.isBlock(body)) return [body as ts.Expression]
  const results: ts.Expression[] = []
  const look = (node: ts.Node): void => {
    if (ts.isFunctionLike(node)) return
    if (ts.isReturnStatement(node) && node.expression) results.push(node.expression)
    ts.forEachChild(node, look)
  }
  ts.forEachChild(body, look)
  return results
}

function isResponse(node: ts.Expression): boolean {
  return /^(?:new Response\b|Response\.)/.test(node.getText())
}

function isText(node: ts.Expression): boolean {
  if (ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)) return true
  return ts.isBinaryExpression(node) && (isText(node.left) || isText(node.right))
}
