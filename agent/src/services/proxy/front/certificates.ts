/**
 * The certificates of folders, as TLS serves them: `NAME.crt` or `NAME.pem` beside `NAME.key`, a `NAME.pem` that has its
 * key in it, or a folder with `fullchain.pem` and `privkey.pem`, as ACME clients leave them. Files may be replaced at any
 * time.
 *
 * Invariants: 1. A pair that is broken or does not belong together is reported once and ignored; what was served before
 * stays. 2. A name gets the certificate that is valid for it and ends last; a client that names none, or an unknown
 * one, gets the first by file name.
 */
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'

/** RFC 9325: TLS 1.2 at least. */
export const MIN_VERSION = 'TLSv1.2'
const MAX_REMEMBERED_NAMES = 1_000

export interface ServedCertificate {
  /** Its certificate file. */
  file: string
  /** DNS names and addresses, as they stand in it. */
  names: string[]
  validFrom: Date
  validTo: Date
}

interface Loaded extends ServedCertificate {
  leaf: X509Certificate
  pem: { cert: Buffer; key: Buffer }
  context: SecureContext
}

/** Of one file, if that has both. */
interface Pair {
  certFile: string
  keyFile: string
}

export interface CertificateFoldersOptions {
  /** A client that names no server gets the first of the first. */
  folders: readonly string[]
  onProblem: (message: string) => void
}

export class CertificateFolders {
  readonly #options: CertificateFoldersOptions
  #loaded: Loaded[] = []
  /** What is wrong, by certificate file. */
  #problems = new Map<string, string>()
  #byName = new Map<string, SecureContext>()

  constructor(options: CertificateFoldersOptions) {
    this.#options = options
  }

  get served(): ServedCertificate[] {
    return this.#loaded.map(({ file, names, validFrom, validTo }) => ({ file, names, validFrom, validTo }))
  }

  /** For clients that name no server. */
  get first(): { cert: Buffer; key: Buffer } | undefined {
    return this.#loaded[0]?.pem
  }

  /** The one that is served for this name, if one is for it. */
  certificateFor(name: string): ServedCertificate | undefined {
    return this.#fitting(name)[0]
  }

  /**
   * Reads the folders again; one that is missing is empty. The files are compared as a whole: one that is being written
   * may have the size and the time of the one before.
   */
  async load(): Promise<void> {
    const { folders, onProblem } = this.#options
    const problems = new Map<string, string>()
    const pairs = (await Promise.all(folders.map(pairsIn))).flat()
    const loaded = await Promise.all(
      pairs.map(async (pair): Promise<Loaded | undefined> => {
        const before = this.#loaded.find(({ file }) => file === pair.certFile)
        try {
          const pem = await read(pair)
          if (pem === undefined) return undefined
          const isSame = before !== undefined && pem.cert.equals(before.pem.cert) && pem.key.equals(before.pem.key)
          return isSame ? before : parse(pair, pem)
        } catch (error) {
          problems.set(pair.certFile, (error as Error).message)
          return before
        }
      }),
    )
    for (const [file, message] of problems) if (this.#problems.get(file) !== message) onProblem(`${file}: ${message}`)
    this.#problems = problems
    this.#loaded = loaded.filter(found => found !== undefined)
    this.#byName.clear()
  }

  /** @returns undefined if there is no certificate at all */
  contextFor(serverName: string | undefined): SecureContext | undefined {
    const name = serverName?.toLowerCase() ?? ''
    const known = this.#byName.get(name)
    if (known !== undefined) return known
    const context = (this.#fitting(name)[0] ?? this.#loaded[0])?.context
    // Names are the clients' choice: they must not fill the memory.
    if (this.#byName.size >= MAX_REMEMBERED_NAMES) this.#byName.clear()
    if (context !== undefined) this.#byName.set(name, context)
    return context
  }

  /** The one that ends last comes first. */
  #fitting(name: string): Loaded[] {
    const fitting = this.#loaded.filter(({ leaf }) => name !== '' && leaf.checkHost(name) !== undefined)
    return fitting.sort((a, b) => b.validTo.getTime() - a.validTo.getTime())
  }
}

async function pairsIn(folder: string): Promise<Pair[]> {
  const names = await readdir(folder).catch((): string[] => [])
  const pairs = await Promise.all(
    names
      .filter(name => !name.startsWith('.'))
      .map(async (name): Promise<Pair[]> => {
        const ending = /\.(?:crt|pem)$/.exec(name)
        if (ending) {
          const certFile = join(folder, name)
          const key = `${name.slice(0, ending.index)}.key`
          if (names.includes(key)) return [{ certFile, keyFile: join(folder, key) }]
          return ending[0] === '.pem' ? [{ certFile, keyFile: certFile }] : []
        }
        const pair = { certFile: join(folder, name, 'fullchain.pem'), keyFile: join(folder, name, 'privkey.pem') }
        const isThere = await stat(pair.certFile).then(
          () => true,
          () => false,
        )
        return isThere ? [pair] : []
      }),
  )
  return pairs.flat().sort((a, b) => (a.certFile < b.certFile ? -1 : 1))
}

/** @returns undefined if a file that could have both has no key: it may be a chain, or anything */
async function read({ certFile, keyFile }: Pair): Promise<Loaded['pem'] | undefined> {
  if (certFile === keyFile) {
    const both = await readFile(certFile)
    return both.includes('PRIVATE KEY-----') ? { cert: both, key: both } : undefined
  }
  const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)])
  return { cert, key }
}

function parse({ certFile, keyFile }: Pair, pem: Loaded['pem']): Loaded {
  const leaf = new X509Certificate(pem.cert)
  if (!leaf.checkPrivateKey(createPrivateKey(pem.key)))
    throw new Error(`the key in ${keyFile} belongs to another certificate`)
  return {
    file: certFile,
    names: namesOf(leaf),
    validFrom: new Date(leaf.validFrom),
    validTo: new Date(leaf.validTo),
    leaf,
    pem,
    context: createSecureContext({ ...pem, minVersion: MIN_VERSION }),
  }
}

function namesOf({ subjectAltName = '' }: X509Certificate): string[] {
  return subjectAltName.split(', ').flatMap(name => /^(?:DNS|IP Address):(.+)$/.exec(name)?.[1] ?? [])
}
