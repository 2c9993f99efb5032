/** Well-formed texts with small random changes. The same seed gives the same changes. */
import type { SeededRandom } from '../chaos/seeded-random.ts'

/**
 * @param seeds one character per byte
 * @param dictionary texts to insert
 */
export function mutated(random: SeededRandom, seeds: readonly string[], dictionary: readonly string[]): Buffer {
  let text = random.pick(seeds)
  for (let changes = random.below(4); changes > 0; changes--) text = changed(text, random, dictionary)
  return Buffer.from(text, 'latin1')
}

function changed(text: string, random: SeededRandom, dictionary: readonly string[]): string {
  const at = random.below(text.length + 1)
  switch (random.below(7)) {
    case 0: // another byte
      return text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1)
    case 1: // one byte fewer
      return text.slice(0, at) + text.slice(at + 1)
    case 2: // an insertion
      return text.slice(0, at) + random.pick(dictionary) + text.slice(at)
    case 3: // one more line in the head
      return afterLine(text, random, random.pick(dictionary))
    case 4: // a line twice
      return afterLine(text, random, `${random.pick(text.split('\r\n'))}\r\n`)
    case 5: // another line ending
      return text.replace('\r\n', random.pick(['\n', '\r', '\r\r\n', ' \r\n', '\t\r\n']))
    default: // cut off
      return text.slice(0, at)
  }
}

function afterLine(text: string, random: SeededRandom, line: string): string {
  const lines = text.split('\r\n')
  const at = 1 + random.below(Math.max(1, lines.length - 1))
  return [...lines.slice(0, at), line.replace(/\r\n$/, ''), ...lines.slice(at)].join('\r\n')
}
