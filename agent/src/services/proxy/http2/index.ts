/** HTTP/2 for clients: connections, and requests and answers as the hop knows them. */
export { Http2Connection, type Http2Service, type Patience } from './connection.ts'
