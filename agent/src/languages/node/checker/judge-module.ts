/** Finds what an entry of deploy.json means in a module, and decides whether it can be run, and how. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ts } from 'ts-morph'
import type { AcceptedTypes } from './accepted-types.ts'
import type { CheckOutcome, CheckRequest, HandlerCall } from './check.ts'
import type { Candidate, Recognized } from './dialects/dialect.ts'
import { framework } from './dialects/express-style.ts'
import { registeredNames } from './dialects/registered.ts'
import { AFTER_OWN, BEFORE_OWN } from './dialects/registry.ts'
import { isMethod, methodsOf, recognizeRoutes } from './dialects/route-module.ts'
import { exportsOf, missingExport, namedExport, typeOnly, type FoundExport } from './find-export.ts'
import { problemAt, problemInFile, type Finding } from './findings.ts'
import { handlerShape } from './handler-shape.ts'
import { placeOf } from './installed-place.ts'
import { isAny, judgeHandler, type OwnCall } from './judge-handler.ts'

export interface JudgedModule {
  request: CheckRequest
  checker: ts.TypeChecker
  types: AcceptedTypes
  file: ts.SourceFile
}

type Accepted = Omit<Extract<CheckOutcome, { kind: 'accepted' }>, 'kind'>

const FORMS = { node: 'Node.js handler', web: 'web handler', trigger: 'trigger', service: 'service' } as const

/** As opposed to the form of a dialect. */
export function isOwnForm({ form }: { form: string }): boolean {
  return Object.values<string>(FORMS).includes(form)
}

export function judgeModule(judged: JudgedModule): CheckOutcome {
  const verdict = verdictOn(judged)
  return 'problem' in verdict
    ? { kind: 'rejected', problems: [verdict.problem] }
    : ({ kind: 'accepted', ...verdict } as CheckOutcome)
}

function verdictOn(judged: JudgedModule): Accepted | Finding {
  const { request, checker, file } = judged
  const exports = exportsOf(checker, file)
  const name = request.kind === 'service' ? 'main' : (request.export ?? request.name)
  const found = namedExport(checker, exports, name)
  const registered = isHttp(request.kind) ? registeredNames(file) : []
  if (found) {
    if ('problem' in found) return found
    const isRoute = isHttp(request.kind) && request.export !== undefined && isMethod(name)
    return isRoute ? routesOf(judged, [found], name) : judgeExport(judged, found)
  }
  if (registered.includes(name)) return whole(framework({ target: name }))
  if (request.kind === 'service' || request.export !== undefined)
    return missingExport(exports, name, request.export === undefined ? 'name' : 'export')
  const standard = namedExport(checker, exports, 'default')
  if (standard) return 'problem' in standard ? standard : judgeExport(judged, standard)
  const methods = isHttp(request.kind) ? methodsOf(checker, exports) : []
  if (methods.length > 0) return routesOf(judged, methods)
  if (registered.length === 0) return missingExport(exports, name)
  return problemInFile(file.fileName, {
    code: 'no-such-export',
    message: `The module registers no function "${name}"`,
    hint: `It registers ${registered.map(one => `"${one}"`).join(', ')}: write "export": "${registered[0]}" in deploy.json`,
  })
}

function isHttp(kind: CheckRequest['kind']): kind is Candidate['kind'] {
  return kind === 'http' || kind === 'async'
}

function routesOf(judged: JudgedModule, methods: FoundExport[], only?: string): Accepted | Finding {
  const recognized = recognizeRoutes(
    methods.map(found => candidateOf(judged, found, found.exportName)),
    only,
  )
  return 'problem' in recognized ? recognized : whole(recognized)
}

/** The adapter, or the package it belongs to, finds the handlers in the module. */
function whole(recognized: Recognized): Accepted {
  return { ...callOf(recognized), exportName: '*', form: recognized.form }
}

function callOf({ adapter }: Recognized): HandlerCall {
  return adapter ? { style: 'dialect', adapter } : { style: 'node' }
}

function judgeExport(judged: JudgedModule, found: FoundExport): Accepted | Finding {
  const { request } = judged
  const { symbol, node, exportName } = found
  const name = request.kind === 'service' ? 'main' : (request.export ?? request.name)
  if (symbol.flags & ts.SymbolFlags.Class) {
    return problemAt(node, {
      code: 'is-class',
      message: `"${name}" is a class, which cannot be called`,
      hint: 'Export a function that creates an instance and uses it',
    })
  }
  if (!(symbol.flags & ts.SymbolFlags.Value)) return typeOnly(name, node)
  const candidate = candidateOf(judged, found, name)
  const own = judgeOwn(judged, candidate)
  if (!isHttp(request.kind)) return 'problem' in own ? own : { ...own, exportName, form: FORMS[own.style] }
  for (const dialect of [...BEFORE_OWN, 'own' as const, ...AFTER_OWN]) {
    if (dialect === 'own') {
      if (!('problem' in own)) return { ...own, exportName, form: FORMS[own.style] }
      continue
    }
    const recognized = dialect.recognize(candidate)
    if (!recognized) continue
    if ('problem' in recognized) return recognized
    const { form, scheduled } = recognized
    return { ...callOf(recognized), exportName, form, ...(scheduled && { scheduled }) }
  }
  return own as Finding
}

function judgeOwn({ request, checker, types }: JudgedModule, candidate: Candidate): OwnCall | Finding {
  const { name, node, shapes } = candidate
  const unfit = notAFunction(candidate)
  if (unfit) return unfit
  const verdicts = shapes.map(shape =>
    judgeHandler({ name, kind: request.kind, on: request.on, shape, node, checker, types }),
  )
  return verdicts.find((verdict): verdict is OwnCall => 'style' in verdict) ?? (verdicts[0] as Finding)
}

function candidateOf({ request, checker, types, file }: JudgedModule, found: FoundExport, name: string): Candidate {
  const { symbol, node } = found
  const type = checker.getTypeOfSymbolAtLocation(symbol, file)
  const within = symbol.declarations ?? []
  const { packageDir, installed } = request
  const folders = [packageDir, ...(installed === undefined ? [] : [placeOf(packageDir, installed)])]
  return {
    name,
    kind: request.kind as Candidate['kind'],
    file,
    symbol,
    node,
    type,
    shapes: type.getCallSignatures().map(signature => handlerShape(checker, signature, within)),
    checker,
    types,
    isInstalled: specifier => folders.some(folder => isInstalled(specifier, folder)),
  }
}

/** The generated entry imports it from the package's folder. */
function isInstalled(specifier: string, packageDir: string): boolean {
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
  for (let dir = packageDir; ; dir = dirname(dir)) {
    if (existsSync(join(dir, 'node_modules', name, 'package.json'))) return true
    if (dirname(dir) === dir) return false
  }
}

const APPS =
  'Export a function, an app of Express, Connect, Koa, Fastify, NestJS, Hono or H3, or an object with fetch(request)'

function notAFunction({ checker, name, node, type }: Candidate): Finding | undefined {
  const signatures = type.getCallSignatures()
  if (signatures.some(signature => isGenerator(signature))) {
    return problemAt(node, {
      code: 'is-generator',
      message: `"${name}" is a generator: calling it does not run it`,
      hint: 'Write a plain or an async function; to stream, write to the response or return a Response with a stream',
    })
  }
  if (signatures.length > 0) return undefined
  if (isAny(type)) {
    return problemAt(node, {
      code: 'unresolved-type',
      message: `The type of "${name}" is unknown, so it may not be a handler`,
      hint: 'Check its imports, or give it a type: export const f: HttpHandler = …',
    })
  }
  const isConstructor = type.getConstructSignatures().length > 0
  return problemAt(node, {
    code: isConstructor ? 'is-class' : 'not-a-function',
    message: `"${name}" is ${isConstructor ? 'a class' : `of type ${checker.typeToString(type)}`}, which cannot be called`,
    hint: APPS,
  })
}

function isGenerator(signature: ts.Signature): boolean {
  const { declaration } = signature
  if (declaration && 'asteriskToken' in declaration && declaration.asteriskToken) return true
  return /^(?:Async)?Generator$/.test(signature.getReturnType().symbol?.name ?? '')
}
