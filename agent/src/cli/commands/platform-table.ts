import type { PlatformView } from '../../contract/index.ts'
import type { Output } from '../output.ts'

const LOOPBACK = /^(?:127\.|::1$|localhost$)/
const OPEN_TO_OTHERS =
  'anyone who can reach this address can call the functions whose "access" in deploy.json says so; without it they answer 403. Lists of calls, metrics, the store and the agent stay closed. See "Opening it to the network" in docs/security.md.'

/** A platform that runs. @param how it came to */
export function printStarted(platform: PlatformView, how: string, output: Output): void {
  output.value(platform)
  output.line(`ryo-faas ${platform.version}, project ${platform.project}, ${how}`)
  output.line(`engine: ${platform.engineNote}`)
  output.line()
  printPlatform(platform, output)
  printAgents(platform, output)
  if (platform.host === undefined || LOOPBACK.test(platform.host)) return
  output.line()
  output.line(output.colors.yellow(`--host ${platform.host}: ${OPEN_TO_OTHERS}`))
}

export function printPlatform(platform: PlatformView, output: Output): void {
  const { green, red, yellow, dim } = output.colors
  const paint = { running: green, starting: yellow, failing: red, absent: dim }
  output.table(
    ['PART', 'STATE', 'ADDRESS', 'PID', 'RESTARTS', ''],
    platform.parts.map(({ name, state, address, pid, restarts, note }) => [
      name,
      paint[state](state),
      name === 'proxy' ? platform.proxyUrl : (address ?? '-'),
      pid === undefined ? '-' : String(pid),
      String(restarts),
      dim(note ?? ''),
    ]),
    ['', 'RESTARTS', 'PID'],
  )
}

/** Why functions cannot be changed at the moment. Nothing if they can. */
export function printWaiting({ waitsFor }: PlatformView, output: Output): void {
  if (waitsFor === undefined) return
  const { yellow } = output.colors
  output.line(yellow(`Functions cannot be started, stopped or changed yet: ${waitsFor}. What runs goes on.`))
}

/** Of a platform with several agents: who leads, and who stands by. */
export function printAgents({ cluster }: PlatformView, output: Output): void {
  if (cluster === undefined) return
  const { green, yellow, dim } = output.colors
  output.line()
  output.table(
    ['AGENT ON', 'ROLE', 'ADDRESS', 'RELEASE', ''],
    cluster.agents.map(({ name, role, address, version, isThis }) => [
      name,
      role === 'leads' ? green('leads') : 'stands by',
      address ?? '-',
      version,
      dim(isThis ? 'this one' : ''),
    ]),
    ['RELEASE', 'ADDRESS'],
  )
  if (cluster.agents.some(({ role }) => role === 'stands-by')) return
  output.line(yellow('No agent stands by: if this machine dies, nothing is served until it is back.'))
}

/** With which HTTPS is served, and why one is missing. Nothing without HTTPS. */
export function printCertificates({ certificates = [] }: PlatformView, output: Output): void {
  if (certificates.length === 0) return
  const { red, yellow } = output.colors
  const daysOf = (expiresAt: string | undefined): string => {
    if (expiresAt === undefined) return red('none')
    const days = Math.floor((Date.parse(expiresAt) - Date.now()) / 86_400_000)
    return days < 0 ? red('ended') : String(days)
  }
  output.line()
  output.table(
    ['CERTIFICATE', 'FROM', 'DAYS LEFT', ''],
    certificates.map(({ names, source, expiresAt, problem, nextTryAt }) => [
      names.join(', '),
      source,
      daysOf(expiresAt),
      problem === undefined ? '' : yellow(`${problem}; tried again at ${nextTryAt ?? '-'}`),
    ]),
  )
}

/** What the engine says of itself: where functions run, what that does not hold back, and what else it can do. */
export function printEngine({ engine, isolation, capabilities }: PlatformView, output: Output): void {
  // An agent that does not tell yet, or is of an earlier release.
  if (isolation === undefined || capabilities === undefined) return output.line(`engine   ${engine}`)
  const abilities = capabilities.length === 0 ? 'nothing beyond running them' : capabilities.join(', ')
  output.line(`engine   ${engine}: functions run ${isolation.label}; it offers ${abilities}`)
  if (isolation.warning !== undefined) output.line(`         ${output.colors.yellow(isolation.warning)}`)
}
