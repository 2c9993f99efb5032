/** With which certificates HTTPS is served, and how long they are good. */
import { useState } from 'preact/hooks'
import type { CertificateView } from '../src/contract/index.ts'
import { agent } from './api.ts'

const DAY_MS = 86_400_000
/** A week is what people need to do something about it. */
const SOON_DAYS = 7

interface CertificatesProps {
  certificates: readonly CertificateView[]
  /** Whether somebody is signed in who may change something. */
  mayRetry: boolean
}

export function Certificates({ certificates, mayRetry }: CertificatesProps) {
  if (certificates.length === 0) return null
  return (
    <div class="scroll">
      <table class="rows" aria-label="Certificates">
        <thead>
          <tr>
            <th>Certificate</th>
            <th>From</th>
            <th class="number">Days left</th>
            <th />
          </tr>
        </thead>
        <tbody>
          {certificates.map(({ names, source, expiresAt, problem, nextTryAt }) => {
            const days = expiresAt === undefined ? undefined : Math.floor((Date.parse(expiresAt) - Date.now()) / DAY_MS)
            return (
              <tr key={names.join()}>
                <td>{names.join(', ')}</td>
                <td>{source === 'acme' ? 'ACME' : 'file'}</td>
                <td class={days === undefined || days < SOON_DAYS ? 'number bad' : 'number'} title={expiresAt}>
                  {days ?? 'none'}
                </td>
                <td class="bad">
                  {problem} {nextTryAt !== undefined && `Next attempt: ${new Date(nextTryAt).toLocaleString()}.`}{' '}
                  {problem !== undefined && mayRetry && <Retry domain={names[0]!} />}
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

function Retry({ domain }: { domain: string }) {
  const [said, setSaid] = useState<string>()
  const retry = () => {
    setSaid('Trying …')
    agent.retryCertificate(domain).then(
      () => setSaid(undefined),
      (error: Error) => setSaid(error.message),
    )
  }
  return said === undefined ? (
    <button type="button" onClick={retry}>
      Try now
    </button>
  ) : (
    <span class="dim">{said}</span>
  )
}
