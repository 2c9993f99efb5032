/** What a schedule means: its times and its rules. The dispatcher's schedules and those of the test kit are made of it. */
export {
  RunningSchedule,
  type ScheduleClock,
  type ScheduledCall,
  type ScheduleParts,
  type ScheduleSink,
} from './running-schedule.ts'
export { TestClock, type TestClockOptions } from './manual-clock.ts'
export {
  hasOneTime,
  isPlainSchedule,
  ONE_TIME,
  SCHEDULE_RULES,
  scheduleEvent,
  scheduleLabel,
  ticksOf,
  type ScheduleSettings,
  type Ticks,
} from './times.ts'
