/** From code to a version: as files of the agent's machine, or as packages that were built elsewhere. */
import { z } from 'zod'
import { BuildEvent, DeployEvent } from '../events.ts'
import { PackagedDeploy, PackageManifest, Sha256 } from '../package.ts'
import { Problem } from '../problem.ts'
import { StartFrom } from '../trigger.ts'
import { EnvironmentName } from '../environment-name.ts'
import type { ApiRoute } from './api-route.ts'

const settings = {
  environment: EnvironmentName.optional().describe('Environment whose overrides and .env files hold'),
  variables: z
    .record(z.string(), z.string())
    .optional()
    .describe('Variables of the client that the file refers to as ${NAME}'),
}

export const DEPLOYING_API = {
  deploy: {
    method: 'POST',
    path: '/v1/deploys',
    // They name files of the machine that the agent runs on.
    needs: { role: 'admin', scope: 'all' },
    body: z.object({
      file: z.string().describe('Absolute path of deploy.json'),
      only: z.array(z.string()).optional(),
      ...settings,
      buildOnly: z.boolean().default(false),
      debug: z
        .boolean()
        .default(false)
        .describe('One instance that a debugger may attach to (see `debugPort`), without a timeout'),
      explain: z.boolean().default(false).describe('Also tell what was bundled, what was not, and why'),
      replace: z.boolean().default(false).describe('Replace functions of other projects that have the same name'),
      from: StartFrom.optional().describe(
        'First event for its triggers; default: new triggers from now, others resume',
      ),
    }),
    response: DeployEvent,
    stream: true,
    readsDisk: true,
    summary: 'Check, build, start and switch; closing the connection cancels',
  },
  build: {
    method: 'POST',
    path: '/v1/builds',
    // As for `deploy`.
    needs: { role: 'admin', scope: 'all' },
    body: z.object({
      file: z.string().describe('Absolute path of deploy.json'),
      only: z.array(z.string()).optional(),
      ...settings,
    }),
    response: BuildEvent,
    stream: true,
    readsDisk: true,
    summary: 'Check and bundle into packages, for another agent; closing the connection cancels',
  },
  announcePackages: {
    method: 'POST',
    path: '/v1/packages',
    needs: { role: 'deploy', scope: 'filtered' },
    body: z.object({ manifests: z.array(PackageManifest).min(1).max(1_000) }),
    bodyLimitBytes: 32 * 1024 * 1024,
    response: z.object({
      digests: z.array(Sha256).describe('In the order of the manifests'),
      missing: z.array(z.object({ sha256: Sha256, size: z.int() })).describe('Contents to upload before the deploy'),
    }),
    isLong: true,
    summary: 'Announce built packages and learn which of their files are missing here',
  },
  uploadContents: {
    method: 'POST',
    path: '/v1/packages/contents',
    needs: { role: 'deploy', scope: 'filtered' },
    takesBytes: true,
    response: z.object({ stored: z.int().describe('Files that are here now'), bytes: z.int() }),
    isLong: true,
    summary:
      'Upload files of announced packages: a tar (application/x-tar, may be gzipped) of files named by their SHA-256; each is kept as soon as it is whole',
  },
  deployPackages: {
    method: 'POST',
    path: '/v1/packages/deploys',
    needs: { role: 'deploy', scope: 'filtered' },
    body: PackagedDeploy,
    bodyLimitBytes: 32 * 1024 * 1024,
    response: DeployEvent,
    stream: true,
    summary: 'Start packages that were uploaded and switch; closing the connection cancels',
  },
  check: {
    method: 'POST',
    path: '/v1/checks',
    // They name files of the machine that the agent runs on.
    needs: { role: 'admin', scope: 'all' },
    body: z.object({ file: z.string(), only: z.array(z.string()).optional(), ...settings }),
    response: z.object({
      checked: z.int(),
      handlers: z.array(
        z.object({ name: z.string(), form: z.string().optional().describe('What it is: `Express app`.') }),
      ),
      problems: z.array(Problem),
      durationMs: z.number(),
    }),
    isLong: true,
    readsDisk: true,
    summary: 'Check the signatures only',
  },
} as const satisfies Record<string, ApiRoute>
