/** `deploy --explain`: what a function's code consists of, and why; how it started, and how long that took. */
import type { DeployEvent } from '../../contract/index.ts'
import { countOf, formatBytes, formatDuration, type Output } from '../output.ts'

const MOST_BUNDLED = 8

export function explain({ name, facts }: Extract<DeployEvent, { type: 'bundled' }>, output: Output): void {
  const { bold, dim } = output.colors
  const { runsOn, bundleBytes, bundled, unbundled, files, totalBytes } = facts
  const line = (size: number, text: string) => output.line(`  ${formatBytes(size).padStart(8)}  ${text}`)
  output.line(`${bold(name)}  ${formatBytes(totalBytes)} in all${runsOn === undefined ? '' : `, on ${runsOn}`}`)
  line(bundleBytes, `bundle${bundled.length > 0 ? `, with ${countOf(bundled.length, 'package')}` : ''}`)
  for (const item of bundled.slice(0, MOST_BUNDLED)) line(item.bytes, dim(`  ${nameOf(item)}`))
  const rest = bundled.slice(MOST_BUNDLED)
  if (rest.length > 0) line(sum(rest), dim(`  ${countOf(rest.length, 'more package')}`))
  const own = unbundled.filter(({ neededBy }) => neededBy === undefined)
  if (unbundled.length > 0) {
    line(
      sum(unbundled),
      `node_modules, with ${countOf(unbundled.length, 'package')} that ${unbundled.length === 1 ? 'is' : 'are'} not bundled`,
    )
  }
  for (const item of own) line(item.bytes, `  ${nameOf(item)}${dim(`: ${item.why}`)}`)
  const needed = unbundled.filter(item => !own.includes(item))
  if (needed.length > 0)
    line(sum(needed), dim(`  ${countOf(needed.length, 'package')} that these need: ${needed.map(nameOf).join(', ')}`))
  if (files.count > 0) line(files.bytes, countOf(files.count, 'other file'))
}

export function explainBoot({ name, boot }: Extract<DeployEvent, { type: 'booted' }>, output: Output): void {
  const { bold, dim } = output.colors
  const { origin, why, steps } = boot
  const total = formatDuration(steps.reduce((sum, { ms }) => sum + ms, 0))
  const how = origin === 'pool' ? 'out of the pool' : `new${why === undefined ? '' : `, not from the pool: ${why}`}`
  output.line(`${bold(name)}  started in ${total}, ${how}`)
  for (const { doing, ms } of steps) output.line(`  ${formatDuration(ms).padStart(8)}  ${dim(doing)}`)
}

function nameOf({ name, version }: { name: string; version?: string | undefined }): string {
  return version === undefined ? name : `${name} ${version}`
}

function sum(items: readonly { bytes: number }[]): number {
  return items.reduce((total, { bytes }) => total + bytes, 0)
}
