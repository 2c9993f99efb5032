/** The options of HTTPS in front of the proxy, as its process takes them. */
import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { AcmeCertificates } from '../acme/index.ts'
import { RyoFaasError } from '../contract/index.ts'
import { controlPathOf } from '../routes/index.ts'
import { CertificateFolders, type FrontInput } from '../services/proxy/index.ts'
import { flagOf, type PlatformOptions } from './options.ts'

/** Options that mean nothing alone. */
const NEEDED: { name: keyof PlatformOptions; isWithout: (options: PlatformOptions) => boolean; needs: string }[] = [
  { name: 'acme', isWithout: ({ acme, https }) => acme !== 'off' && https === 'off', needs: '--https' },
  { name: 'acmeEab', isWithout: ({ acme, acmeEab }) => acmeEab !== 'none' && acme === 'off', needs: '--acme' },
  {
    name: 'dashboardHost',
    isWithout: ({ dashboardHost, https }) => dashboardHost !== 'none' && https === 'off',
    needs: '--https',
  },
  {
    name: 'proxyProtocol',
    isWithout: ({ proxyProtocol, https }) => proxyProtocol === 'on' && https === 'off',
    needs: '--https',
  },
  {
    name: 'proxyProtocol',
    isWithout: ({ proxyProtocol, trustProxy }) => proxyProtocol === 'on' && trustProxy === 'none',
    needs: '--trust-proxy',
  },
]

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
    ...(options.acme !== 'off' && {
      acme: { certificates: AcmeCertificates.folderIn(authorityFolder(home, options)), answers: answersFolder(home) },
    }),
    ...(options.dashboardHost !== 'none' && {
      dashboard: { host: options.dashboardHost, socketPath: dashboardSocket(home) },
    }),
    ...(options.proxyProtocol === 'on' && { proxyProtocol: true }),
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

/** Where the agent takes what comes for the dashboard. */
export function dashboardSocket(home: string): string {
  return controlPathOf(home, 'dashboard')
}

/** What is known to one authority is of no use with another. */
export function authorityFolder(home: string, { acmeDirectory }: Pick<PlatformOptions, 'acmeDirectory'>): string {
  const digest = createHash('sha256').update(acmeDirectory).digest('hex').slice(0, 8)
  return join(home, 'acme', `${new URL(acmeDirectory).hostname}-${digest}`)
}

export function answersFolder(home: string): string {
  return join(home, 'acme', 'answers')
}

/**
 * A certificate that is missing is told at start, not by a part that does not start. With a redirect the first one may
 * still come: the authority asks for it over plain HTTP.
 *
 * @throws RyoFaasError INVALID_OPTION
 */
export async function requireCertificates(home: string, options: PlatformOptions): Promise<void> {
  for (const { name, isWithout, needs } of NEEDED) {
    if (!isWithout(options)) continue
    throw new RyoFaasError('INVALID_OPTION', `${flagOf(name)} ${options[name]} is of no use without ${needs}`)
  }
  if (options.https === 'off') return
  const folder = certificatesFolder(home, options)
  if (options.certificates === 'home') await mkdir(folder, { recursive: true, mode: 0o700 })
  const problems: string[] = []
  const certificates = new CertificateFolders({ folders: [folder], onProblem: problem => problems.push(problem) })
  await certificates.load()
  if (certificates.served.length > 0) return
  if ((options.httpRedirect !== 'off' || options.acme !== 'off') && problems.length === 0) return
  const message = problems[0] ?? `there is no certificate in ${folder}`
  throw new RyoFaasError('INVALID_OPTION', `--https ${options.https}: ${message}`, {
    hint: 'Put NAME.crt and NAME.key there (PEM), or name the folder of your ACME client with --certificates, such as /etc/letsencrypt/live; or have them brought: --acme you@example.com',
  })
}
