import { expect, test } from 'vitest'
import { withoutControls } from './control-characters.ts'

test.each([
  ['\u001b[31mred\u001b[0m and \t tab', '\u001b[31mred\u001b[0m and \t tab'],
  ['\u001b]0;title\u0007', '?]0;title?'],
  ['\u001b]52;c;cGF5bG9hZA==\u001b\\', '?]52;c;cGF5bG9hZA==?\\'],
  ['\u001b[2J\u001b[H', '?[2J?[H'],
  ['\u009b2J over\rwritten', '?2J over?written'],
])('%j is shown as %j', (text, shown) => expect(withoutControls(text)).toBe(shown))
