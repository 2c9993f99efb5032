/** The way from the log to the stream of events. */
export type { RelayFigures } from './relay-client.ts'
