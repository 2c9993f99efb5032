/** Numbers and times to read. */

/** `0.42` → `0.4 ms`, `12.3` → `12 ms`, `1234` → `1.2 s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(1)} s`
  return milliseconds < 10 ? `${trimmed(milliseconds)} ms` : `${Math.round(milliseconds)} ms`
}

/** `just now`, `5 min ago`, `3 h ago`, `2 d ago`. */
export function formatAge(iso: string, now: number): string {
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000)
  if (seconds < 60) return 'just now'
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86_400)} d ago`
}

/** In the user's own time zone and writing, to the minute: `1/31/2027, 9:00 AM`. */
export function formatMoment(iso: string): string {
  return new Date(iso).toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'short' })
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function trimmed(value: number): string {
  return value.toFixed(1).replace(/\.0$/, '')
}
