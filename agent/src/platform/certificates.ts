import { readFile } from 'node:fs/promises'
import { RyoFaasError } from '../contract/index.ts'
import { addedCertificates, certificatesIn } from '../host/index.ts'

/**
 * The authorities that functions trust besides the public ones, as PEM: those of the option `ca`, of
 * NODE_EXTRA_CA_CERTS, and those that were added to this machine's store.
 *
 * @throws RyoFaasError INVALID_OPTION if the file that was named has none
 */
export async function trustedCertificates(ca: string, environment: NodeJS.ProcessEnv): Promise<string> {
  const extra = environment['NODE_EXTRA_CA_CERTS']
  const all = await Promise.all([
    namedCertificates(ca),
    // Node itself only warns about this one.
    extra ? certificatesOf(extra) : '',
    addedCertificates(),
  ])
  return [...new Set(all)].join('')
}

/** Those of the option alone. @throws RyoFaasError INVALID_OPTION */
export async function namedCertificates(ca: string): Promise<string> {
  if (ca === 'none') return ''
  const named = await certificatesOf(ca)
  if (named !== '') return named
  throw new RyoFaasError('INVALID_OPTION', `--ca ${ca}: the file is missing or contains no certificate`, {
    hint: 'Name a file with certificates in PEM format, set with --ca or RYO_FAAS_CA.',
  })
}

function certificatesOf(file: string): Promise<string> {
  return readFile(file).then(certificatesIn, () => '')
}
