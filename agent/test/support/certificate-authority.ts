/**
 * A real certificate authority that speaks ACME: Pebble of Let's Encrypt, on free ports of the loopback, for names that
 * all lead there. What it knows is gone when it stops.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { freePort } from '../../src/host/index.ts'
import { TestAuthority } from '../../src/services/proxy/front/front-testing.ts'
import { ensureInstalled, programOf } from './system-packages.ts'
import { until } from './until.ts'

export interface CertificateAuthorityOptions {
  /** Where it looks for the answers to its challenges. */
  httpPort: number
  tlsPort: number
  /** How long its certificates are good. */
  seconds: number
  environment?: Record<string, string>
  /** It only takes customers with this key. */
  binding?: { kid: string; hmacKey: string }
}

interface Ports {
  directory: number
  management: number
  dns: number
  dnsManagement: number
}

export class CertificateAuthority {
  readonly directoryUrl: string
  /** With the authority that its own HTTPS is of. */
  readonly caFile: string
  /** What it has said. */
  log = ''
  readonly #folder: string
  readonly #ports: Ports
  readonly #options: CertificateAuthorityOptions
  #processes: ChildProcess[] = []
  #pem = ''

  private constructor(folder: string, ports: Ports, options: CertificateAuthorityOptions) {
    this.#folder = folder
    this.#ports = ports
    this.#options = options
    this.caFile = join(folder, 'ca.pem')
    this.directoryUrl = `https://localhost:${ports.directory}/dir`
  }

  static async start(options: CertificateAuthorityOptions): Promise<CertificateAuthority> {
    await ensureInstalled(['pebble'])
    const [directory, management, dns, dnsManagement] = await Promise.all([1, 2, 3, 4].map(() => freePort()))
    const ports = { directory: directory!, management: management!, dns: dns!, dnsManagement: dnsManagement! }
    const made = new CertificateAuthority(await mkdtemp(join(tmpdir(), 'rfa-pebble-')), ports, options)
    const own = await TestAuthority.create()
    made.#pem = own.pem
    await writeFile(made.caFile, own.pem)
    const { cert, key } = await own.sign(['localhost'])
    await writeFile(join(made.#folder, 'cert.pem'), cert)
    await writeFile(join(made.#folder, 'key.pem'), key)
    try {
      await made.resume()
    } catch (error) {
      await made.remove()
      throw error
    }
    return made
  }

  /** Starts it, with nothing in its memory. */
  async resume(): Promise<void> {
    const { directory, management, dns, dnsManagement } = this.#ports
    const { httpPort, tlsPort, seconds, environment, binding } = this.#options
    const pebble = {
      listenAddress: `127.0.0.1:${directory}`,
      managementListenAddress: `127.0.0.1:${management}`,
      certificate: join(this.#folder, 'cert.pem'),
      privateKey: join(this.#folder, 'key.pem'),
      ...{ httpPort, tlsPort, ocspResponderURL: '', externalAccountBindingRequired: binding !== undefined },
      ...(binding && { externalAccountMACKeys: { [binding.kid]: binding.hmacKey } }),
      domainBlocklist: ['blocked.test'],
      retryAfter: { authz: 1, order: 1 },
      certificateValidityPeriod: seconds,
    }
    const config = join(this.#folder, 'config.json')
    await writeFile(config, JSON.stringify({ pebble }))
    const off = ['http01', 'https01', 'tlsalpn01', 'doh'].flatMap(service => [`-${service}`, ''])
    this.#processes = [
      spawn(programOf('pebble')!.replace(/pebble$/, 'pebble-challtestsrv'), [
        ...['-dns01', `127.0.0.1:${dns}`, '-management', `127.0.0.1:${dnsManagement}`],
        ...['-defaultIPv4', '127.0.0.1', '-defaultIPv6', '', ...off],
      ]),
      spawn(programOf('pebble')!, ['-config', config, '-dnsserver', `127.0.0.1:${dns}`], {
        env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', ...environment },
      }),
    ]
    for (const { stdout, stderr } of this.#processes) {
      for (const stream of [stdout!, stderr!]) stream.on('data', piece => (this.log += String(piece)))
    }
    await until(() => this.root().catch(() => undefined), undefined, 'the authority')
  }

  /** What its certificates are trusted with. */
  root(): Promise<string> {
    return this.#ask('/roots/0')
  }

  async stop(): Promise<void> {
    for (const process of this.#processes.splice(0)) {
      const ended = once(process, 'exit')
      process.kill('SIGKILL')
      await ended
    }
  }

  async remove(): Promise<void> {
    await this.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }

  #ask(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { host: 'localhost', port: this.#ports.management, path, ca: this.#pem, agent: false }
      https.get(options, response => void text(response).then(resolve, reject)).on('error', reject)
    })
  }
}
