export { History } from './history.ts'
export { readDispatchers, readStore, type CallCounts, type Reading } from './reading.ts'
export type { Format } from './exposition.ts'
export { fetchPage, Scraper, type Target } from './scraper.ts'
