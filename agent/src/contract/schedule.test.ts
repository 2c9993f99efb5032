import { CronExpressionParser } from 'cron-parser'
import { expect, test } from 'vitest'
import { scheduleLabel, ticksOf } from '@ryo-faas/runtime/schedules'
import { Schedule, scheduleKey } from './schedule.ts'

const ms = Date.parse
const iso = (at: number | undefined) => at && new Date(at).toISOString()
const ticks = (schedule: object, startMs = 0) => ticksOf(Schedule.parse(schedule), startMs)

function following(schedule: object, from: string, count: number): (string | 0 | undefined)[] {
  const times = ticks(schedule)
  const found: (string | 0 | undefined)[] = []
  for (let at: number | undefined = ms(from); found.length < count && at !== undefined;) {
    at = times.next(at)
    found.push(iso(at))
  }
  return found
}

test.each([
  [{}, 'exactly one of'],
  [{ cron: '* * * * *', every: '1m' }, 'exactly one of'],
  [{ cron: '* * * *' }, 'cron expression'],
  [{ cron: '61 * * * *' }, 'cron expression'],
  [{ cron: '0 0 0 1 1 * 2027' }, 'cron expression'],
  [{ cron: '0 0 30 2 *' }, 'for a date that exists'],
  [{ every: '0m' }, 'such as "10m"'],
  [{ every: '10 minutes' }, 'such as "10m"'],
  [{ at: '2027-01-31T09:00:00' }, 'with its offset'],
  [{ cron: '* * * * *', zone: 'Europe/Atlantis' }, 'IANA time zone'],
  [{ cron: '* * * * *', path: 'x' }, 'must begin with "/"'],
  [{ cron: '* * * * *', missed: 'never' }, 'Invalid option'],
])('%j is refused: %s', (schedule, message) => {
  const parsed = Schedule.safeParse(schedule)
  expect(parsed.error?.issues.map(issue => issue.message).join()).toContain(message)
})

test('the times of an expression, forward and backward, meet', () => {
  const { next, last } = ticks({ cron: '0 16 * * 1-5', zone: 'Europe/London' })
  const friday = ms('2026-11-27T16:00:00Z')
  expect(iso(next(ms('2026-11-27T15:59:59.999Z')))).toBe('2026-11-27T16:00:00.000Z')
  expect(iso(next(friday))).toBe('2026-11-30T16:00:00.000Z')
  expect(iso(last(friday))).toBe('2026-11-27T16:00:00.000Z')
  expect(iso(last(friday + 999))).toBe('2026-11-27T16:00:00.000Z')
  expect(iso(last(friday - 1))).toBe('2026-11-26T16:00:00.000Z')
})

test('an interval is counted from its start', () => {
  const { next, last } = ticks({ every: '10m' }, 5_000)
  expect([next(0), next(5_000), next(605_000), next(605_001)]).toEqual([605_000, 605_000, 1_205_000, 1_205_000])
  expect([last(604_999), last(605_000), last(1_204_999)]).toEqual([undefined, 605_000, 605_000])
})

test('a single time comes once', () => {
  const at = ms('2027-01-31T08:00:00Z')
  const { next, last } = ticks({ at: '2027-01-31T09:00:00+01:00' })
  expect([next(at - 1), next(at), last(at - 1), last(at)]).toEqual([at, undefined, undefined, at])
})

// The days around each change of the clocks in 2026; Apia has none.
const CHANGES = {
  'Europe/London': ['2026-03-29', '2026-10-25'],
  'America/New_York': ['2026-03-08', '2026-11-01'],
  'America/Santiago': ['2026-04-05', '2026-09-06'],
  'Asia/Tehran': ['2026-03-21', '2026-09-21'],
  'Pacific/Apia': ['2026-04-05', '2026-09-27'],
}
const PATTERNS = ['30 4 * * *', '0 16 * * 1-5', '15 9 1 * *', '0 * * * *', '*/20 0-6 * * *', '45 23 L * *']

test.each(Object.entries(CHANGES))('in %s the times around %j equal those of another library', (tz, days) => {
  for (const cron of PATTERNS) {
    for (const day of days) {
      const currentDate = new Date(ms(`${day}T00:00:00Z`) - 36 * 3_600_000).toISOString()
      const judge = CronExpressionParser.parse(cron, { currentDate, tz })
      const wanted = Array.from({ length: cron.startsWith('0 *') ? 60 : 12 }, () => judge.next().toISOString())
      expect(following({ cron, zone: tz }, currentDate, wanted.length), cron).toEqual(wanted)
    }
  }
})

/** One of each form: steps, lists, ranges, names, the last day, the last weekday of its kind, seconds. */
const FORMS = [
  '7 * * * *',
  '*/20 * * * *',
  '0,30 1-3 * * *',
  '5 0 * * *',
  '59 23 * * *',
  '0 0 1 * *',
  '0 12 L * *',
  '0 6 * MAR,APR,SEP,OCT,NOV SUN',
  '30 1 * * 7',
  '0 */6 * * *',
  '30 0 0 * * *',
  '*/30 30 * * * *',
]
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** When the clocks change in these days; undefined if they do not. */
function changeWithin(timeZone: string, from: number, until: number): number | undefined {
  const format = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' })
  const offsetAt = (at: number) => format.formatToParts(at).find(({ type }) => type === 'timeZoneName')!.value
  for (let at = from; at < until; at += HOUR_MS / 2) if (offsetAt(at) !== offsetAt(at - HOUR_MS / 2)) return at
  return undefined
}

test.each(Object.entries(CHANGES))(
  'in %s every form has the times of another library on the days of %j',
  (tz, days) => {
    for (const cron of FORMS) {
      for (const day of days) {
        const from = ms(`${day}T00:00:00Z`) - DAY_MS / 2
        const until = from + 1.5 * DAY_MS
        const change = changeWithin(tz, from, until)
        // In the hours that are skipped or come twice each library has rules of its own: ours are below.
        const counts = (at: number) => at <= until && (change === undefined || Math.abs(at - change) > HOUR_MS)
        const all = (next: (at: number) => number | undefined) => {
          const found: (string | 0 | undefined)[] = []
          for (let at = next(from); at !== undefined && at <= until; at = next(at)) if (counts(at)) found.push(iso(at))
          return found
        }
        const judge = CronExpressionParser.parse(cron, { currentDate: new Date(from), tz })
        const { next } = ticks({ cron, zone: tz })
        expect(all(next), `${cron} on ${day}`).toEqual(all(() => judge.next().getTime()))
      }
    }
  },
)

test('an expression for one time of the day runs once in an hour that comes twice, one for several in both', () => {
  const times = (cron: string) =>
    following({ cron, zone: 'America/New_York' }, '2026-11-01T04:30:00Z', 4).map(at => String(at).slice(11, 16))
  expect(times('0 1 * * *').slice(0, 2)).toEqual(['05:00', '06:00'])
  expect(times('0,30 1 * * *')).toEqual(['05:00', '05:30', '06:00', '06:30'])
  expect(times('0 1-3 * * *')).toEqual(['05:00', '06:00', '07:00', '08:00'])
})

test('where the clocks go forward over a time it runs once, then; where they go back, once, the first time', () => {
  const daily = { cron: '30 2 * * *', zone: 'Europe/Berlin' }
  expect(following(daily, '2026-03-28T12:00:00Z', 2)).toEqual(['2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z'])
  expect(following(daily, '2026-10-24T12:00:00Z', 2)).toEqual(['2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z'])
  const hourly = { cron: '0 * * * *', zone: 'Europe/Berlin' }
  expect(following(hourly, '2026-10-24T23:30:00Z', 3)).toEqual([
    '2026-10-25T00:00:00.000Z',
    '2026-10-25T01:00:00.000Z',
    '2026-10-25T02:00:00.000Z',
  ])
})

// The judge above finds no times for most expressions there.
test.each(['2026-04-05', '2026-10-04'])(
  'where clocks change by half an hour, on %s, an expression for several times follows the clock on the wall',
  day => {
    const zone = 'Australia/Lord_Howe'
    const format = new Intl.DateTimeFormat('en', {
      timeZone: zone,
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
    const [from, until] = [ms(`${day}T00:00:00Z`) - DAY_MS / 2, ms(`${day}T00:00:00Z`)]
    const shown = new Map<string, (hour: number, minute: number) => boolean>([
      ['0 * * * *', (_, minute) => minute === 0],
      ['45 * * * *', (_, minute) => minute === 45],
      ['*/20 * * * *', (_, minute) => minute % 20 === 0],
      ['*/15 1,2 * * *', (hour, minute) => (hour === 1 || hour === 2) && minute % 15 === 0],
      ['10 0-4 * * *', (hour, minute) => hour <= 4 && minute === 10],
    ])
    for (const [cron, isTime] of shown) {
      const wanted: string[] = []
      for (let at = from + 60_000; at <= until; at += 60_000) {
        const [hour, minute] = format.format(at).split(':').map(Number)
        if (isTime(hour!, minute!)) wanted.push(new Date(at).toISOString())
      }
      expect(following({ cron, zone }, new Date(from).toISOString(), wanted.length), cron).toEqual(wanted)
    }
    // One time of the day, half past one twice or a quarter past two never: once all the same.
    const once = (cron: string) => following({ cron, zone }, new Date(from).toISOString(), 2).map(at => ms(String(at)))
    expect(once('45 1 * * *').filter(at => at <= until)).toHaveLength(1)
    expect(once('15 2 * * *').filter(at => at <= until)).toHaveLength(1)
  },
)

test('other times, or another name, are another schedule; other rules are not', () => {
  const key = (schedule: object) => scheduleKey(Schedule.parse(schedule))
  const daily = { cron: '0 9 * * *' }
  expect(key({ ...daily, missed: 'all', body: { a: 1 } })).toBe(key(daily))
  const others = [daily, { cron: '0 10 * * *' }, { ...daily, zone: 'Asia/Tokyo' }, { ...daily, name: 'morning' }]
  expect(new Set(others.map(key)).size).toBe(4)
})

test('it is called by its name, or by its times', () => {
  const label = (schedule: object) => scheduleLabel(Schedule.parse(schedule))
  expect(label({ cron: '0 9 * * *', name: 'morning' })).toBe('morning')
  expect(label({ cron: '0 9 * * *' })).toBe('0 9 * * *')
  expect(label({ cron: '0 9 * * *', zone: 'Asia/Tokyo' })).toBe('0 9 * * * Asia/Tokyo')
  expect(label({ every: '10m' })).toBe('every 10m')
})
