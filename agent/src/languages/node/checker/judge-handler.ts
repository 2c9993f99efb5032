/**
 * Decides by type whether a function may be a handler, and how it is called. A parameter is right if what the runtime
 * passes is assignable to it; so `any` and `unknown` are right for everything, and the number of parameters and the
 * result decide what the first parameter's type leaves open.
 */
import { ts } from 'ts-morph'
import type { DeploymentKind, HandledEvents } from '../../../contract/index.ts'
import type { AcceptedTypes } from './accepted-types.ts'
import type { HandlerCall } from './check.ts'
import { problemAt, type Finding } from './findings.ts'
import type { HandlerParameter, HandlerShape } from './handler-shape.ts'

/** How a handler of our own is called. */
export type OwnCall = Exclude<HandlerCall, { style: 'dialect' }>

const HTTP_FORMS =
  'Expected (request: IncomingMessage, response: ServerResponse, context?: FunctionContext) => void | Promise<void> ' +
  'or (request: Request, context?: FunctionContext) => Response | Promise<Response>'
const TRIGGER_FORM =
  'Expected (event: DocumentEvent<T>, context?: FunctionContext) => void | Promise<void>, ' +
  'or CloudEvent<T> in place of DocumentEvent<T>'
const EVENT_FORM = 'Expected (event: CloudEvent<T>, context?: FunctionContext) => void | Promise<void>'
const SERVICE_FORM = 'Expected main(service: Service) => void | Promise<void>'

interface Expected {
  type: ts.Type
  /** For messages. */
  name: string
}

export interface Judged {
  name: string
  kind: DeploymentKind
  /** Kinds of a trigger's events; default: any. */
  on?: readonly HandledEvents[] | undefined
  shape: HandlerShape
  /** Where to point when the part in question is not in the exported declaration. */
  node: ts.Node
  checker: ts.TypeChecker
  types: AcceptedTypes
}

export function judgeHandler(judged: Judged): OwnCall | Finding {
  const judge = new Judge(judged)
  switch (judged.kind) {
    case 'http':
    case 'async':
      return judge.http()
    case 'trigger':
      return judge.trigger()
    case 'service':
      return judge.service()
  }
}

class Judge {
  readonly #judged: Judged
  readonly #forms: string

  constructor(judged: Judged) {
    this.#judged = judged
    const trigger = judged.on?.includes('event') ? EVENT_FORM : TRIGGER_FORM
    this.#forms = { http: HTTP_FORMS, async: HTTP_FORMS, trigger, service: SERVICE_FORM }[judged.kind]
  }

  http(): OwnCall | Finding {
    const { shape, types } = this.#judged
    const [first, second] = shape.parameters
    if (!first) return this.#unresolvedResult() ?? this.#withoutParameters()
    const unresolved = this.#unresolved(shape.parameters) ?? this.#unresolvedResult()
    if (unresolved) return unresolved
    const node = this.#takes(first, types.NodeRequest)
    const web = this.#takesWebRequest(first)
    if (node && web) return this.#isWebByTheRest(second) ? this.#web() : this.#node()
    if (node) return this.#node()
    if (web) return this.#web()
    return this.#wrongParameter(first, 'IncomingMessage or Request')
  }

  trigger(): OwnCall | Finding {
    const { types, shape, on } = this.#judged
    const [first] = shape.parameters
    const takesDocuments = first === undefined || this.#takes(first, types.TriggerEvent)
    const takesWhole = first === undefined || this.#takes(first, types.WholeEvent)
    const mustTakeWhole = on?.includes('event') === true
    const wanted =
      mustTakeWhole || (takesWhole && !takesDocuments)
        ? { type: types.WholeEvent, name: 'CloudEvent' }
        : { type: types.TriggerEvent, name: 'DocumentEvent' }
    const wrong = this.#wrongParameters([wanted, { type: types.Context, name: 'FunctionContext' }])
    return wrong ?? { style: 'trigger', ...(!takesDocuments && { takesCloudEvent: true }) }
  }

  service(): OwnCall | Finding {
    const { shape, types } = this.#judged
    if (shape.parameters.length === 0) {
      return this.#problem(undefined, 'wrong-parameters', 'has no parameter, so there is no service to register on')
    }
    return this.#wrongParameters([{ type: types.Combination, name: 'Service' }]) ?? { style: 'service' }
  }

  #node(): OwnCall | Finding {
    const { shape, types } = this.#judged
    const third = shape.parameters[2]
    const takesContext = third !== undefined && this.#takes(third, types.Context)
    // It may take something else if that is optional, such as the `next` of an app.
    const passed = takesContext || third?.optional !== true ? [{ type: types.Context, name: 'FunctionContext' }] : []
    const wrong = this.#wrongParameters([
      { type: types.NodeRequest, name: 'IncomingMessage' },
      { type: types.NodeResponse, name: 'ServerResponse' },
      ...passed,
    ])
    if (wrong) return wrong
    if (shape.parameters.length === 1) {
      const returns = `returns ${this.#text(shape.result)}`
      return this.#problem(
        shape.parameters[0]!.node,
        'wrong-parameters',
        isOpen(shape.parameters[0]!.type)
          ? `takes one parameter and ${returns}: it cannot answer without a ServerResponse to write to or a Response to return`
          : 'takes the request but no response: it cannot answer',
      )
    }
    if (!this.#returnsResponse()) return { style: 'node', ...(takesContext && { takesContext }) }
    return this.#problem(
      shape.resultNode,
      'wrong-return',
      'takes IncomingMessage and ServerResponse but returns a Response, which would be ignored',
    )
  }

  #web(): OwnCall | Finding {
    const { shape, types } = this.#judged
    const wrong = this.#wrongParameters([
      { type: types.WebRequest, name: 'Request' },
      { type: types.Context, name: 'FunctionContext' },
    ])
    if (wrong) return wrong
    if (isAny(shape.result) || this.#returnsResponse()) return { style: 'web' }
    return this.#wrongReturn('takes a Request')
  }

  #withoutParameters(): OwnCall | Finding {
    if (this.#returnsResponse()) return { style: 'web' }
    const returned = this.#text(this.#judged.shape.result)
    return this.#problem(
      undefined,
      'wrong-parameters',
      `takes no parameters and returns ${returned}: it cannot answer without a ServerResponse to write to or a Response to return`,
    )
  }

  #wrongReturn(which: string): Finding {
    const { shape } = this.#judged
    const returned = this.#text(shape.result)
    return this.#problem(
      shape.resultNode,
      'wrong-return',
      `${which}, so it must return Response or Promise<Response>, but it returns ${returned}`,
    )
  }

  /** If the first parameter can be anything: `(x, context) => Response` and `x => Response` are web style. */
  #isWebByTheRest(second: HandlerParameter | undefined): boolean {
    if (this.#returnsResponse()) return true
    return second !== undefined && !this.#takes(second, this.#judged.types.NodeResponse)
  }

  #wrongParameters(expected: Expected[]): Finding | undefined {
    const { shape } = this.#judged
    const unresolved = this.#unresolved(shape.parameters)
    if (unresolved) return unresolved
    for (const [index, parameter] of shape.parameters.entries()) {
      const wanted = expected[index]
      if (!wanted) {
        if (parameter.optional) continue
        const count = expected.length === 1 ? 'one argument' : `${expected.length} arguments`
        return this.#problem(
          parameter.node,
          'wrong-parameters',
          `requires a parameter "${parameter.name}", but only ${count} will be passed`,
        )
      }
      const right = wanted.name === 'Request' ? this.#takesWebRequest(parameter) : this.#takes(parameter, wanted.type)
      if (!right) return this.#wrongParameter(parameter, wanted.name)
    }
    return undefined
  }

  #wrongParameter({ name, type, node }: HandlerParameter, wanted: string): Finding {
    const found = this.#text(type)
    return this.#problem(
      node,
      'wrong-parameters',
      `has a parameter "${name}" of type ${found}, but ${wanted} is passed`,
    )
  }

  #unresolved(parameters: HandlerParameter[]): Finding | undefined {
    const parameter = parameters.find(({ type }) => isUnresolved(type))
    if (!parameter) return undefined
    const node = parameter.node && ts.isParameter(parameter.node) ? (parameter.node.type ?? parameter.node) : undefined
    const written = node && ts.isParameter(node.parent) ? ` ${node.getText()}` : ''
    const finding = this.#problem(
      node,
      'unresolved-type',
      `has a parameter "${parameter.name}" whose type${written} was not found`,
    )
    finding.problem.hint = this.#whereTypesComeFrom
    return finding
  }

  /** A misspelled type would otherwise match anything. */
  #unresolvedResult(): Finding | undefined {
    const { result, resultNode } = this.#judged.shape
    if (!resultNode || !isUnresolved(result)) return undefined
    const finding = this.#problem(resultNode, 'unresolved-type', `returns ${resultNode.getText()}, which was not found`)
    finding.problem.hint = this.#whereTypesComeFrom
    return finding
  }

  get #whereTypesComeFrom(): string {
    return `Import the type, or install the package that declares it. ${this.#forms}`
  }

  #takes({ type }: HandlerParameter, passed: ts.Type): boolean {
    return this.#judged.checker.isTypeAssignableTo(passed, type)
  }

  /** Several libraries declare the web's types, with small differences that do not matter at run time. */
  #takesWebRequest(parameter: HandlerParameter): boolean {
    return this.#takes(parameter, this.#judged.types.WebRequest) || isPlatformType(parameter.type, 'Request')
  }

  #returnsResponse(): boolean {
    const { checker, shape, types } = this.#judged
    const { result } = shape
    if (isAny(result) || result.flags & ts.TypeFlags.Never) return false
    if (checker.isTypeAssignableTo(result, types.WebResponse)) return true
    const members = result.isUnion() ? result.types : [result]
    return members.every(
      member => isPlatformType(member, 'Response') || checker.isTypeAssignableTo(member, types.WebResponse),
    )
  }

  #problem(node: ts.Node | undefined, code: string, what: string): Finding {
    return problemAt(node ?? this.#judged.node, { code, message: `"${this.#judged.name}" ${what}`, hint: this.#forms })
  }

  #text(type: ts.Type): string {
    return this.#judged.checker.typeToString(type)
  }
}

export function isAny(type: ts.Type): boolean {
  return (type.flags & ts.TypeFlags.Any) !== 0
}

function isOpen(type: ts.Type): boolean {
  return (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) !== 0
}

/** The compiler's own `any` for what it could not find, as opposed to one that the user wrote. */
export function isUnresolved(type: ts.Type): boolean {
  return isAny(type) && (type as { intrinsicName?: string }).intrinsicName === 'error'
}

/** Declared under that name by a library for the DOM or Node, or by Node's own implementation. */
function isPlatformType(type: ts.Type, name: string): boolean {
  if (type.symbol?.name !== name) return false
  return (type.symbol.declarations ?? []).some(node =>
    /\/(?:lib\.dom|lib\.webworker)[^/]*\.d\.ts$|\/node_modules\/(?:@types\/node|undici|undici-types)\//.test(
      node.getSourceFile().fileName,
    ),
  )
}
