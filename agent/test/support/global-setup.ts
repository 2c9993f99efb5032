/** Runs once before the tests of whole platforms. */
import { fillGoCache } from './go-cache.ts'
import { ensureInstalled } from './system-packages.ts'

export default async function setup(): Promise<void> {
  await ensureInstalled(['chromium', 'gcc', 'golang-go', 'nats-server', 'nginx-light', 'prometheus', 'python3'])
  await fillGoCache()
}
