/**
 * The servers that a user works with: `<home>/servers.json`, mode 0600, because their tokens are in it. This machine is
 * the server `local`, and always there.
 */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { nearMatch, RyoFaasError } from '../contract/index.ts'
import { homePaths } from './home-paths.ts'

export const LOCAL = 'local'

export const ServerName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must be lower case letters, digits, dots, dashes or underscores')

const About = z.object({ token: z.string().min(1), addedAt: z.string() })

/** Reached through the user's own ssh. */
export const SshServer = About.extend({
  kind: z.literal('ssh'),
  /** As ssh takes it: `user@host`, or a name of its configuration. */
  target: z.string(),
  /** Another configuration of ssh than the user's. */
  sshConfig: z.string().optional(),
  /** The home of its platform, absolute. */
  home: z.string(),
  /** Port of its agent on its loopback. */
  agentPort: z.int(),
})
export type SshServer = z.infer<typeof SshServer>

export const Server = z.discriminatedUnion('kind', [
  SshServer,
  About.extend({
    kind: z.literal('https'),
    url: z.string(),
    /** Certificates of further authorities, as PEM. */
    ca: z.string().optional(),
  }),
])
export type Server = z.infer<typeof Server>

export const ServersFile = z.object({
  format: z.literal(1),
  /** The one that is used without `--server`; absent: this machine. */
  current: z.string().optional(),
  servers: z.record(z.string(), Server),
})
export type ServersFile = z.infer<typeof ServersFile>

/** @throws RyoFaasError HOME_UNUSABLE */
export async function readServers(home: string): Promise<ServersFile> {
  const path = homePaths(home).servers
  try {
    return ServersFile.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { format: 1, servers: {} }
    throw new RyoFaasError('HOME_UNUSABLE', `${path} cannot be read: ${(error as Error).message}`, {
      hint: 'Remove it and add the servers again with: ryo-faas server add user@host',
      cause: error,
    })
  }
}

/** @throws RyoFaasError SERVER_NOT_FOUND */
export function serverIn({ servers }: ServersFile, name: string): Server {
  if (Object.hasOwn(servers, name)) return servers[name]!
  const near = nearMatch(name, Object.keys(servers))
  throw new RyoFaasError('SERVER_NOT_FOUND', `no server is named "${name}"`, {
    hint: near === undefined ? 'ryo-faas server list shows them.' : `Did you mean "${near}"?`,
  })
}
