/** The way from the log to the stream of events. */
export { RelayClient, type RelayFigures } from './relay-client.ts'
