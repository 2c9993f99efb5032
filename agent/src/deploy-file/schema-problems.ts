import type { z } from 'zod'
import {
  AsyncPolicy,
  Cors,
  DeployEntry,
  DeployFile,
  EnvironmentOverrides,
  JwtRule,
  nearMatch,
  Scale,
  Schedule,
  Trigger,
  TRIGGER_KINDS,
  type Problem,
} from '../contract/index.ts'
import type { SourceMap } from './source-map.ts'

type Path = (string | number)[]

/** Every schema violation as a problem with its location; for an unknown field, with the known one it resembles. */
export function schemaProblems(error: z.ZodError, source: SourceMap): Problem[] {
  return error.issues.flatMap(issue => issueProblems(issue, source, []))
}

function issueProblems(issue: z.core.$ZodIssue, source: SourceMap, base: Path): Problem[] {
  const path = [...base, ...issue.path.map(part => (typeof part === 'symbol' ? String(part) : part))]
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map(key => {
        const known = nearMatch(key, fieldsAt(path))
        const message = `unknown field "${key}"${known ? `, did you mean "${known}"?` : ''}`
        return source.atKey({ code: 'unknown-field', message }, path, key)
      })
    case 'invalid_union': {
      // The only discriminated union.
      if (issue.discriminator !== undefined) return [source.atPath(unknownKind(label(path)), path)]
      // The user meant the branch that got furthest.
      const branch = [...issue.errors].sort((a, b) => deepest(b) - deepest(a))[0]
      if (branch && deepest(branch) > 0) return branch.flatMap(inner => issueProblems(inner, source, path))
      const message = issue.message.startsWith('must ') ? issue.message : 'has an invalid value'
      return [source.atPath({ code: 'wrong-type', message: `"${label(path)}" ${message}` }, path)]
    }
    case 'invalid_type': {
      const field = label(path)
      const code = issue.message === 'is missing' ? 'missing-field' : 'wrong-type'
      return [source.atPath({ code, message: `"${field}" ${issue.message}` }, path)]
    }
    default: {
      // Our schema's own messages are complete.
      const colon = /^(must|has) /.test(issue.message) ? '' : ':'
      return [source.atPath({ code: 'wrong-value', message: `"${label(path)}"${colon} ${issue.message}` }, path)]
    }
  }
}

function unknownKind(field: string): Pick<Problem, 'code' | 'message'> {
  const known = TRIGGER_KINDS.map(kind => `"${kind}"`).join(', ')
  return { code: 'wrong-value', message: `"${field}" must be one of the kinds of triggers: ${known}` }
}

function deepest(issues: z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map(issue => issue.path.length + (issue.code === 'unrecognized_keys' ? 1 : 0)))
}

/** Names of the fields allowed in the object at `path`. */
function fieldsAt(path: Path): string[] {
  if (path.length === 0) return Object.keys(DeployFile.shape)
  if (path.length === 2) return Object.keys(DeployEntry.shape)
  if (path.at(-1) === 'jwt') return Object.keys(JwtRule.shape)
  if (path.at(-1) === 'access') return ['jwt']
  if (path.at(-1) === 'cors') return Object.keys(Cors.shape)
  if (path.at(-1) === 'scale') return Object.keys(Scale.shape)
  if (path[2] === 'environments') return Object.keys(EnvironmentOverrides.shape)
  if (path[2] === 'async') return Object.keys(AsyncPolicy.shape)
  if (path[2] === 'schedule') return Object.keys(Schedule.shape)
  return Trigger.options.flatMap(({ shape }) => Object.keys(shape))
}

/** `['deploy', 1, 'on', 0, 'events']` → `on[0].events`, as the user sees it from inside the entry. */
function label(path: Path): string {
  const inner = path.length > 2 ? path.slice(2) : path.slice(0, 1)
  return (
    inner.reduce<string>(
      (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text ? `${text}.${part}` : part),
      '',
    ) || 'deploy.json'
  )
}
