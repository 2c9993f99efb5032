/** Certificates of authorities that a company adds to the public ones. */
import { X509Certificate } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Where distributions look for authorities that were added to theirs: Debian, Fedora, Arch, SUSE. */
const ADDED = [
  '/usr/local/share/ca-certificates',
  '/etc/pki/ca-trust/source/anchors',
  '/etc/ca-certificates/trust-source/anchors',
  '/etc/pki/trust/anchors',
]
const PEM = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g

/** @returns the certificates of a file, PEM or DER, as PEM; empty if it has none. Anything else in it is left out. */
export function certificatesIn(content: Buffer): string {
  const texts = content.toString('latin1').match(PEM) ?? [content]
  return texts
    .flatMap(text => {
      try {
        return [new X509Certificate(text).toString()]
      } catch {
        return []
      }
    })
    .join('')
}

/** Those that were added to this machine's store. */
export async function addedCertificates(folders: readonly string[] = ADDED): Promise<string> {
  const files = await Promise.all(
    folders.map(async folder => {
      const names = await readdir(folder, { recursive: true }).catch(() => [])
      return names.filter(name => /\.(?:crt|pem|cer|der)$/i.test(name)).map(name => join(folder, name))
    }),
  )
  const found = await Promise.all(files.flat().map(file => readFile(file).then(certificatesIn, () => '')))
  return [...new Set(found)].join('')
}
