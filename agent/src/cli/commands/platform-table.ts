import type { PlatformView } from '../../contract/index.ts'
import type { Output } from '../output.ts'

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
  )
}
