/**
 * What a function logs may come from its callers: on a terminal it must not set titles, move the cursor or write to the
 * clipboard. Colours (SGR, ECMA-48 8.3.117) and tabs stay.
 */
const CONTROLS = /\u001b\[[\d;:]*m|[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g

export function withoutControls(text: string): string {
  return text.replace(CONTROLS, found => (found.length > 1 ? found : '?'))
}
