import { expect, test } from 'vitest'
import { readProxyHeader } from './proxy-header.ts'

const text = (line: string) => Buffer.from(line, 'latin1')
const START = [0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
/** Version 2 of the protocol. */
const binary = (command: number, family: number, block: number[], length = block.length) =>
  Buffer.from([...START, command, family, length >> 8, length & 0xff, ...block])
const V4 = [192, 0, 2, 7, 198, 51, 100, 1, 0x30, 0x39, 0x01, 0xbb]
const V6 = [
  ...[0x20, 0x01, 0x0d, 0xb8, ...Array<number>(11).fill(0), 7],
  ...Array<number>(16).fill(0),
  0x30,
  0x39,
  1,
  0xbb,
]

test.each([
  ['version 1, IPv4', text('PROXY TCP4 192.0.2.7 198.51.100.1 12345 443\r\n'), '192.0.2.7', 12345],
  ['version 1, IPv6', text('PROXY TCP6 2001:db8::7 2001:db8::1 12345 443\r\n'), '2001:db8::7', 12345],
  ['version 1, unknown', text('PROXY UNKNOWN\r\n'), undefined, undefined],
  ['version 1, unknown with more', text('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'), undefined, undefined],
  ['version 2, IPv4', binary(0x21, 0x11, V4), '192.0.2.7', 12345],
  ['version 2, IPv6', binary(0x21, 0x21, V6), '2001:db8::7', 12345],
  ['version 2, with more behind the addresses', binary(0x21, 0x11, [...V4, 4, 0, 2, 0, 0]), '192.0.2.7', 12345],
  ['version 2, the balancer itself', binary(0x20, 0x00, []), undefined, undefined],
  ['version 2, the balancer itself, with addresses', binary(0x20, 0x11, V4), undefined, undefined],
  ['version 2, a unix socket', binary(0x21, 0x31, Array<number>(216).fill(0)), undefined, undefined],
  ['version 2, unspecified', binary(0x21, 0x00, []), undefined, undefined],
])('%s is read, however it is cut, and nothing behind it', (_what, header, address, port) => {
  const peer = address === undefined ? undefined : { address, port }
  const whole = { kind: 'header', bytes: header.length, peer }
  expect(readProxyHeader(header)).toEqual(whole)
  expect(readProxyHeader(Buffer.concat([header, text('\x16\x03\x01 hello')]))).toEqual(whole)
  for (let length = 0; length < header.length; length += 1) {
    expect(readProxyHeader(header.subarray(0, length))).toEqual({ kind: 'incomplete' })
  }
})

test.each([
  ['TLS', text('\x16\x03\x01')],
  ['HTTP', text('GET / HTTP/1.1\r\n')],
  ['another word', text('PROXX')],
  ['lower case', text('proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n')],
  ['a family that is none', text('PROXY TCP5 192.0.2.7 198.51.100.1 1 2\r\n')],
  ['an address of the other family', text('PROXY TCP4 2001:db8::7 198.51.100.1 1 2\r\n')],
  ['a name', text('PROXY TCP4 localhost 198.51.100.1 1 2\r\n')],
  ['a destination that is none', text('PROXY TCP4 192.0.2.7 x 1 2\r\n')],
  ['a port too large', text('PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n')],
  ['a negative port', text('PROXY TCP4 192.0.2.7 198.51.100.1 -1 2\r\n')],
  ['too few fields', text('PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n')],
  ['two spaces', text('PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n')],
  ['a line that ends without CR', text('PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n')],
  ['a line without end', text(`PROXY UNKNOWN ${'x'.repeat(200)}`)],
  ['a header in the header', text('PROXY UNKNOWN \rPROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n')],
  ['version 3', binary(0x31, 0x11, V4)],
  ['a command that is none', binary(0x22, 0x11, V4)],
  ['addresses that are too short', binary(0x21, 0x11, V4.slice(0, 11))],
  ['addresses of IPv6 that are too short', binary(0x21, 0x21, V4)],
  ['a length of 65,535', binary(0x21, 0x11, V4, 0xffff)],
])('%s is no header', (_what, bytes) => expect(readProxyHeader(bytes)).toEqual({ kind: 'malformed' }))
