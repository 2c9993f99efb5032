/** Numbers and times for people. */

export function duration(milliseconds: number | null | undefined): string {
  if (milliseconds === null || milliseconds === undefined) return '–'
  if (milliseconds === 0) return '0'
  if (milliseconds < 1) return `${Math.round(milliseconds * 1000)} µs`
  if (milliseconds < 10) return `${milliseconds.toFixed(1)} ms`
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 2 : 1)} s`
  return `${Math.floor(milliseconds / 60_000)} min ${Math.round((milliseconds % 60_000) / 1000)} s`
}

export function rate(perSecond: number | null | undefined): string {
  if (perSecond === null || perSecond === undefined) return '–'
  if (perSecond === 0) return '0'
  return perSecond < 10 ? perSecond.toFixed(1) : count(Math.round(perSecond))
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : value.toLocaleString('en')
}

/** `12:03:04.123` for today; otherwise with the date. */
export function time(iso: string): string {
  const at = new Date(iso)
  const clock = `${at.toLocaleTimeString('en-GB')}.${String(at.getMilliseconds()).padStart(3, '0')}`
  const isToday = at.toDateString() === new Date().toDateString()
  return isToday ? clock : `${at.toLocaleDateString('en-CA')} ${clock}`
}
