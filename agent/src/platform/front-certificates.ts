/**
 * The certificates of HTTPS in front, as the agent sees them: those of files, which somebody else looks after, and those
 * that it gets by ACME for names that no file is for.
 */
import { isIP } from 'node:net'
import { AcmeCertificates, type AcmeView } from '../acme/index.ts'
import type { CertificateView } from '../contract/index.ts'
import { CertificateFolders } from '../services/proxy/index.ts'
import { answersFolder, authorityFolder, certificatesFolder } from './https-front.ts'
import { domainsOf, type PlatformOptions } from './options.ts'

const RELOAD_MS = 30_000
/** A file that ends sooner is no reason to do without one of ours. */
const STILL_GOOD_MS = 24 * 3600_000

export interface FrontCertificatesOptions {
  home: string
  options: PlatformOptions
  /** Authorities that the one for ACME may have its own certificate of, as PEM. */
  trusted: string
  /** Host names of deployments. */
  domains: () => readonly string[]
  onChange: () => void
  log: { info(message: string): void; warn(message: string): void }
}

export class FrontCertificates {
  readonly #options: FrontCertificatesOptions
  readonly #files: CertificateFolders
  readonly #reload: NodeJS.Timeout
  #acme: AcmeCertificates | undefined

  private constructor(options: FrontCertificatesOptions) {
    this.#options = options
    // The proxy reports what is wrong with them.
    const folders = [certificatesFolder(options.home, options.options)]
    this.#files = new CertificateFolders({ folders, onProblem: () => undefined })
    this.#reload = setInterval(() => void this.#files.load().catch(() => undefined), RELOAD_MS).unref()
  }

  static async start(options: FrontCertificatesOptions): Promise<FrontCertificates> {
    const started = new FrontCertificates(options)
    await started.#files.load()
    await started.#startAcme()
    return started
  }

  /** What is deployed has changed. */
  check(): void {
    this.#acme?.check()
  }

  /** @returns whether there is anything to try for this name */
  async tryNow(domain: string): Promise<boolean> {
    return (await this.#acme?.tryNow(domain)) ?? false
  }

  get views(): CertificateView[] {
    const files = this.#files.served.map(({ names, validTo }): CertificateView => ({
      names,
      source: 'file',
      expiresAt: validTo.toISOString(),
    }))
    return [...files, ...(this.#acme?.views ?? []).map(viewOf)]
  }

  close(): void {
    clearInterval(this.#reload)
    this.#acme?.close()
  }

  async #startAcme(): Promise<void> {
    const { home, options, trusted, log, onChange } = this.#options
    if (options.acme === 'off') return
    const { acme: email, acmeDirectory: directoryUrl } = options
    this.#acme = await AcmeCertificates.open({
      authority: {
        ...{ directoryUrl, email, trusted, answers: answersFolder(home) },
        ...(options.acmeEab !== 'none' && { bindingFile: options.acmeEab }),
      },
      folder: authorityFolder(home, options),
      kinds: options.httpRedirect === 'off' ? ['tls-alpn-01'] : ['http-01', 'tls-alpn-01'],
      wanted: () => this.#wanted(),
      ...{ onChange, log },
    })
  }

  #wanted(): string[] {
    const { options, domains } = this.#options
    const names = new Set([...domainsOf(options.acmeDomains), ...domains()])
    if (options.dashboardHost !== 'none') names.add(options.dashboardHost)
    const soon = Date.now() + STILL_GOOD_MS
    return [...names].filter(name => {
      const file = this.#files.certificateFor(name)
      return isIP(name) === 0 && (file === undefined || file.validTo.getTime() < soon)
    })
  }
}

function viewOf({ domain, validTo, problem, nextTryAt }: AcmeView): CertificateView {
  return {
    names: [domain],
    source: 'acme',
    ...(validTo && { expiresAt: validTo.toISOString() }),
    ...(problem !== undefined && { problem }),
    ...(nextTryAt && { nextTryAt: nextTryAt.toISOString() }),
  }
}
