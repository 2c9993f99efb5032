/** Certificates for tests: an authority and what it signs, made here. */
import { webcrypto } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
x509.cryptoProvider.set(webcrypto as never)

export class TestAuthority {
  readonly #keys: CryptoKeyPair
  readonly #root: x509.X509Certificate

  private constructor(keys: CryptoKeyPair, root: x509.X509Certificate) {
    this.#keys = keys
    this.#root = root
  }

  static async create(): Promise<TestAuthority> {
    const keys = await newKeys()
    const root = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=Test authority',
      keys,
      signingAlgorithm: ALGORITHM,
      extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
    })
    return new TestAuthority(keys, root)
  }

  /** For clients that are to trust it. */
  get pem(): string {
    return this.#root.toString('pem')
  }

  async sign(names: string[], days = 30): Promise<{ cert: string; key: string }> {
    const keys = await newKeys()
    const certificate = await x509.X509CertificateGenerator.create({
      subject: `CN=${names[0]}`,
      issuer: this.#root.subject,
      notAfter: new Date(Date.now() + days * 86_400_000),
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [new x509.SubjectAlternativeNameExtension(names.map(value => ({ type: 'dns' as const, value })))],
    })
    const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
    return { cert: certificate.toString('pem'), key }
  }

  /** Writes a pair for `names` as `file.crt` and `file.key`. */
  async write(folder: string, file: string, names: string[]): Promise<void> {
    const { cert, key } = await this.sign(names)
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, `${file}.key`), key)
    await writeFile(join(folder, `${file}.crt`), cert)
  }
}

function newKeys(): Promise<CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
}
