/** Checks functions of a deploy.json: all that can be known without building or running anything. */
import { dirname } from 'node:path'
import { isPlainSchedule } from '@ryo-faas/runtime/schedules'
import {
  dockerfileOf,
  handledBy,
  hostPathsOf,
  kindOf,
  RyoFaasError,
  triggerSecrets,
  type Problem,
} from '../contract/index.ts'
import type { Engine } from '../engines/index.ts'
import type { CheckOutcome, Languages } from '../languages/index.ts'
import type { SecretStore } from '../secrets/index.ts'
import { signingSecret } from './deployed-route.ts'
import { plan, type Planned, type PlanRequest } from './plan.ts'

export type Accepted = Planned & {
  outcome: Extract<CheckOutcome, { kind: 'accepted' }>
  /** Protocol of the runtime that it was built with. */
  protocol: number
  /** Digest of the package that it comes from; absent: it is bundled here. */
  package?: string
}

export interface CheckDependencies {
  languages: Languages
  /** Absent: nobody knows them here. */
  secrets?: SecretStore
  /** That they will run on; absent: not known yet. */
  engine?: Pick<Engine, 'surroundings'>
}

/**
 * @returns no problems if the file may be deployed
 * @throws RyoFaasError DEPLOY_FILE_INVALID, DEPLOYMENT_NOT_FOUND
 */
export async function checkFile(request: PlanRequest, dependencies: CheckDependencies) {
  const begin = performance.now()
  const planned = await plan(request, dependencies.languages)
  const { accepted, problems } = await checkPlanned(planned, request.file, dependencies)
  const handlers = accepted.map(({ entry, outcome }) => ({
    name: entry.name,
    ...(outcome.form !== undefined && { form: outcome.form }),
  }))
  return { checked: accepted.length, handlers, problems, durationMs: performance.now() - begin }
}

export async function checkPlanned(
  planned: Planned[],
  file: string,
  { languages, secrets, engine }: CheckDependencies,
): Promise<{ accepted: Accepted[]; problems: Problem[] }> {
  const problems = secrets === undefined ? [] : missingSecrets(planned, new Set(await secrets.names()))
  const rootDir = dirname(file)
  const outcomes = await languages.check(
    planned.map(({ entry, language }) => {
      const { name, export: exported, ...more } = entry
      const { packageDir, filePath, files, unbundled, node, python, command, dockerfile } = more
      const kind = kindOf(entry)
      const on = entry.on?.map(handledBy)
      return {
        language,
        source: {
          ...{ name, kind, on, export: exported, rootDir, packageDir, filePath, files, unbundled, node },
          ...{ python, command, dockerfile },
        },
      }
    }),
  )
  const accepted: Accepted[] = []
  planned.forEach((item, index) => {
    const outcome = outcomes[index]!
    if (outcome.kind === 'rejected') return void problems.push(...outcome.problems)
    const notes = [...item.notes, ...scheduleNotes(item, outcome)]
    accepted.push({ ...item, notes, outcome, protocol: item.language.protocol })
    problems.push(...scheduleProblems(item, outcome))
  })
  if (engine) problems.push(...(await missingNodes(accepted, engine)))
  return { accepted, problems }
}

/** A Worker with `scheduled` alone runs by `schedule` or never, and takes no requests. */
function scheduleProblems({ entry, place }: Planned, { scheduled }: Accepted['outcome']): Problem[] {
  if (scheduled !== 'alone') return []
  const { name, schedule } = entry
  if (schedule.length === 0) {
    const message = `${name} has scheduled(event) and no fetch(request): without "schedule" nothing would ever call it`
    return [place({ code: 'no-schedule', message, hint: ADD_SCHEDULE }, 'name')]
  }
  if (schedule.every(isPlainSchedule)) return []
  const message = `${name} has scheduled(event) and no fetch(request): a schedule with "path" or "body" is a request`
  return [place({ code: 'wrong-value', message, hint: 'Omit them, or add fetch(request) to the Worker' }, 'schedule')]
}

const ADD_SCHEDULE = 'Add "schedule": [{ "cron": "0 * * * *" }], as "crons" in wrangler.toml has it'

function scheduleNotes({ entry }: Planned, { scheduled }: Accepted['outcome']): string[] {
  if (scheduled !== 'too' || entry.schedule.length > 0) return []
  return [`scheduled(event) is never called: deploy.json has no "schedule" for ${entry.name}. ${ADD_SCHEDULE}`]
}

const MISSING = new Set<string>(['NODE_NOT_FOUND', 'UNSUPPORTED'])

export async function missingNodes(accepted: Accepted[], engine: Pick<Engine, 'surroundings'>): Promise<Problem[]> {
  const found = await Promise.all(
    accepted.map(async ({ entry, outcome, place }) => {
      if (outcome.base === undefined) return []
      try {
        await engine.surroundings(outcome.base)
        return []
      } catch (error) {
        if (!(error instanceof RyoFaasError && MISSING.has(error.code))) throw error
        const { message, hint } = error
        const text = `${entry.name} cannot run here: ${message}`
        const [code, field] = missing(outcome.base)
        return [place({ code, message: text, ...(hint !== undefined && { hint }) }, field)]
      }
    }),
  )
  return found.flat()
}

/** The code of the problem, and the field that asked for it. */
function missing(base: string): [code: string, field: string] {
  if (dockerfileOf(base) !== undefined) return ['not-here', 'dockerfile']
  return hostPathsOf(base) === undefined ? ['missing-node', 'node'] : ['not-here', 'name']
}

export function missingSecrets(planned: Planned[], known: ReadonlySet<string>): Problem[] {
  return planned.flatMap(({ entry, place }) =>
    [...new Set([...entry.secrets, ...signingSecret(entry), ...(entry.on ?? []).flatMap(triggerSecrets)])]
      .filter(name => !known.has(name))
      .map(name =>
        place({
          code: 'missing-secret',
          subject: name,
          message: `${entry.name} needs the secret ${name}, which is not set`,
          hint: `Set it with: ryo-faas secrets set ${name}`,
        }),
      ),
  )
}
