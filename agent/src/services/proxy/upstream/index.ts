/**
 * The client side of the hop: HTTP/1.1 to a function instance over kept connections, written by hand.
 *
 * Why by hand: a hop costs about 20 µs of CPU this way, against 36 µs with undici's `dispatch` and 59 µs with node's
 * own client (13-byte answers, 64 connections; `bench/proxy` measures it again next to nginx). What makes the
 * difference: one write per request, one shared read buffer without a stream behind it, an answer that arrived in
 * one piece handed on in one piece. And the proxy must know what no general client tells: whether a byte of a request
 * was sent, and that a connection of a removed instance is never used again.
 *
 * Invariants, each kept by the file that it names:
 * 1. what is not HTTP/1.1 to the letter is refused, never repaired (response-head, chunked-decoder);
 * 2. one final answer per request, bytes beyond it poison the connection (response-parser, upstream-connection);
 * 3. a broken answer, one that never started, and a request never sent are told apart (upstream-error);
 * 4. a retired instance holds no idle connection (instance);
 * 5. no answer is accepted except from the requested instance (upstream-connection).
 * Left out on purpose: pipelining, trailers (dropped, RFC 9110 §6.5.1 allows it), HTTP/2, TLS.
 */
export { Instance, type UpstreamSettings } from './instance.ts'
export { connectionOptions, isNamed, valuesOf, type ResponseHead } from './response-head.ts'
export type { ResponseSink, UpstreamConnection } from './upstream-connection.ts'
export { UpstreamError } from './upstream-error.ts'
