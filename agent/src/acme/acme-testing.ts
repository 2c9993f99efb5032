/**
 * A process that looks after certificates and may be killed: `acme-testing.ts <json of its settings>`. It says what it
 * does, a line each.
 */
import { AcmeCertificates } from './index.ts'

export interface Settings {
  folder: string
  answers: string
  directoryUrl: string
  trusted: string
  kinds: ['http-01' | 'tls-alpn-01']
  domains: string[]
  /** By how much the clock of this process is ahead: certificates are renewed earlier. */
  aheadMs: number
}

const { folder, answers, directoryUrl, trusted, kinds, domains, aheadMs } = JSON.parse(process.argv[2]!) as Settings
const { now } = Date
Date.now = () => now() + aheadMs
const say = (message: string) => console.log(message)
await AcmeCertificates.open({
  authority: { directoryUrl, email: 'ops@example.org', trusted, answers },
  ...{ folder, kinds },
  wanted: () => domains,
  onChange: () => undefined,
  log: { info: say, warn: say },
})
setInterval(() => undefined, 60_000)
