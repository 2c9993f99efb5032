/** The options of HTTPS in front of the proxy, as its process takes them. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { RyoFaasError } from '../contract/index.ts'
import { CertificateFolder, type FrontInput } from '../services/proxy/index.ts'
import type { PlatformOptions } from './options.ts'

/** `443`, `192.0.2.7:443` or `[::]:443`; undefined if it is none of them. */
export function parseAddress(text: string): { host: string; port: number } | undefined {
  const { host, port } = /^(?:(?<host>[A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\]):)?(?<port>\d{1,5})$/.exec(text)?.groups ?? {}
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535) return undefined
  return { host: host?.replace(/^\[|\]$/g, '') ?? '0.0.0.0', port: Number(port) }
}

export function certificatesFolder(home: string, { certificates }: Pick<PlatformOptions, 'certificates'>): string {
  return certificates === 'home' ? join(home, 'certificates') : certificates
}

export function frontOf(home: string, options: PlatformOptions): FrontInput | undefined {
  const address = parseAddress(options.https)
  if (address === undefined) return undefined
  const { httpRedirect } = options
  return {
    ...address,
    certificates: certificatesFolder(home, options),
    ...(httpRedirect !== 'off' && {
      redirectPort: Number(httpRedirect),
      challenges: join(webroot(home), '.well-known', 'acme-challenge'),
    }),
  }
}

/** Where an ACME client puts the answers to its authority's challenges: the webroot of `certbot --webroot`. */
function webroot(home: string): string {
  return join(home, 'webroot')
}

/**
 * A certificate that is missing is told at start, not by a part that does not start. With a redirect the first one may
 * still come: the authority asks for it over plain HTTP.
 *
 * @throws RyoFaasError INVALID_OPTION
 */
export async function requireCertificates(home: string, options: PlatformOptions): Promise<void> {
  if (options.https === 'off') return
  const folder = certificatesFolder(home, options)
  if (options.certificates === 'home') await mkdir(folder, { recursive: true, mode: 0o700 })
  const problems: string[] = []
  const certificates = new CertificateFolder({ folder, onProblem: problem => problems.push(problem) })
  await certificates.load()
  if (certificates.served.length > 0) return
  if (options.httpRedirect !== 'off' && problems.length === 0) return
  const message = problems[0] ?? `there is no certificate in ${folder}`
  throw new RyoFaasError('INVALID_OPTION', `--https ${options.https}: ${message}`, {
    hint: 'Put NAME.crt and NAME.key there (PEM), or name the folder of your ACME client with --certificates, such as /etc/letsencrypt/live.',
  })
}
