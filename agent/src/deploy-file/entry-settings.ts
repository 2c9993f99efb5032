/**
 * The settings of an entry as they hold for one deploy: with the overrides of its environment, the variables of its
 * `.env` files and every `${NAME}` replaced.
 */
import { readFile } from 'node:fs/promises'
import { basename, relative, resolve, sep } from 'node:path'
import { withVariables, type DeployEntry, type Problem } from '../contract/index.ts'
import { certificatesIn } from '../host/index.ts'
import { readEnvironmentFiles } from './environment-files.ts'
import { isInside } from './inside.ts'
import type { SourceMap } from './source-map.ts'

type Finding = Pick<Problem, 'code' | 'message' | 'hint'>

export interface DeploySettings {
  /** Named with `--env`. */
  environment?: string | undefined
  /** Of the client that asks for the deploy; those that the file names. */
  variables?: Record<string, string> | undefined
}

export interface SettledEntries {
  settled: SettledEntry[]
  problems: Problem[]
}

/** @param entries of one file, with absolute paths */
export async function settledEntries(
  entries: readonly DeployEntry[],
  settings: DeploySettings,
  at: { base: string; source: SourceMap },
): Promise<SettledEntries> {
  const settled = await Promise.all(
    entries.map((entry, index) => settledEntry(entry, settings, { ...at, path: ['deploy', index] })),
  )
  const problems = settled.flatMap(each => each.problems)
  if (settings.environment !== undefined && !settled.some(({ knowsEnvironment }) => knowsEnvironment)) {
    problems.push(unknownEnvironment(settings.environment, entries, at.source))
  }
  return { settled, problems }
}

function unknownEnvironment(environment: string, entries: readonly DeployEntry[], source: SourceMap): Problem {
  const known = [...new Set(entries.flatMap(({ environments = {} }) => Object.keys(environments)))]
  const message = `the environment "${environment}" is unknown: no entry has it in "environments", and there is no .env.${environment}`
  const finding = {
    code: 'unknown-environment',
    message,
    ...(known.length > 0 && { hint: `Known: ${known.join(', ')}` }),
  }
  return source.atPath(finding, ['deploy'])
}

/**
 * An entry that holds wherever it is taken: with relative paths, and with the certificates in place of their files.
 * @param entry with absolute paths, and not settled
 */
export async function portableEntry(
  entry: DeployEntry,
  { base, place }: { base: string; place: (finding: Finding) => Problem },
): Promise<{ entry: DeployEntry; problems: Problem[] }> {
  const problems: Problem[] = []
  const inline = async <T extends { ca?: string | undefined }>(holder: T): Promise<T> => {
    if (holder.ca === undefined) return holder
    const certificates = await readCertificates(base, holder.ca)
    if (certificates.kind === 'read') return { ...holder, ca: certificates.pem }
    problems.push(place(certificates.finding))
    return holder
  }
  const environments = Object.entries(entry.environments ?? {})
  const overrides = await Promise.all(environments.map(async ([name, each]) => [name, await inline(each)] as const))
  const relativeTo = (path: string) => `./${relative(base, path).split(sep).join('/')}`
  return {
    entry: {
      ...(await inline(entry)),
      packageDir: relativeTo(entry.packageDir),
      filePath: relativeTo(entry.filePath),
      ...(overrides.length > 0 && { environments: Object.fromEntries(overrides) }),
    },
    problems,
  }
}

export interface SettledEntry {
  entry: DeployEntry
  /** Files whose change calls for another deploy; they need not exist. */
  watched: string[]
  notes: string[]
  problems: Problem[]
  /** Something is said about the environment: an override or a file. */
  knowsEnvironment: boolean
}

/** @param entry with absolute paths */
async function settledEntry(
  { environments, ...entry }: DeployEntry,
  { environment, variables = {} }: DeploySettings,
  at: { base: string; source: SourceMap; path: (string | number)[] },
): Promise<SettledEntry> {
  const { base, source, path } = at
  const overrides = environment === undefined ? undefined : environments?.[environment]
  const files = await readEnvironmentFiles({ base, packageDir: entry.packageDir }, environment)
  const problems = files.problems.map(message => source.atPath({ code: 'unreadable-file', message }, path))
  const expand = (env: Record<string, string>, within: (string | number)[]) =>
    Object.fromEntries(
      Object.entries(env).map(([key, value]) => {
        const { text, missing } = withVariables(value, name => files.variables[name] ?? variables[name])
        for (const name of missing) {
          const message = `"${key}" needs the variable ${name}, which is not set`
          const hint = `Set it in .env or in your shell, or give a default: \${${name}:-value}`
          problems.push(source.atPath({ code: 'missing-variable', message, hint }, [...path, ...within, key]))
        }
        return [key, text]
      }),
    )
  const env = {
    ...files.variables,
    ...expand(entry.env, ['env']),
    ...(overrides?.env && expand(overrides.env, ['environments', environment!, 'env'])),
  }
  const present = Object.entries(overrides ?? {}).filter(([, value]) => value !== undefined)
  const settled: DeployEntry = { ...entry, ...Object.fromEntries(present), env }
  if (overrides?.instances !== undefined) delete settled.scale
  if (overrides?.scale !== undefined) delete settled.instances
  for (const [holder, within] of [
    [entry, []],
    [overrides, ['environments', environment!]],
  ] as const) {
    if (holder?.instances === undefined || holder.scale === undefined) continue
    const message = '"instances" is a fixed number and "scale" lets it change: there can be only one of them'
    problems.push(source.atPath({ code: 'wrong-value', message }, [...path, ...within, 'scale']))
  }
  if (settled.ca !== undefined) {
    const where = overrides?.ca === undefined ? ['ca'] : ['environments', environment!, 'ca']
    const certificates = await readCertificates(base, settled.ca)
    if (certificates.kind === 'problem') problems.push(source.atPath(certificates.finding, [...path, ...where]))
    else settled.ca = certificates.pem
  }
  return {
    entry: settled,
    watched: files.candidates,
    notes: files.notes,
    problems,
    knowsEnvironment:
      overrides !== undefined || files.found.some(file => basename(file).startsWith(`.env.${environment}`)),
  }
}

/** Their text becomes part of the entry: a version starts again without the file. */
async function readCertificates(
  base: string,
  file: string,
): Promise<{ kind: 'read'; pem: string } | { kind: 'problem'; finding: Finding }> {
  // In an artefact they are inside.
  if (file.startsWith('-----BEGIN ')) return { kind: 'read', pem: file }
  const problem = (code: string, message: string, hint?: string) =>
    ({ kind: 'problem', finding: { code, message, ...(hint !== undefined && { hint }) } }) as const
  const path = resolve(base, file)
  if (!(await isInside(base, path))) {
    const hint = 'Copy it here, or give it to the whole platform: ryo-faas startFaas --ca FILE'
    return problem('path-outside', `"${file}" is outside the folder of this file`, hint)
  }
  const content = await readFile(path).catch(() => undefined)
  if (content === undefined) return problem('missing-file', `the file "${file}" does not exist or cannot be read`)
  const pem = certificatesIn(content)
  return pem === '' ? problem('wrong-value', `the file "${file}" contains no certificate`) : { kind: 'read', pem }
}
