import { describe, expect, it } from 'vitest'
import { CallbackRule } from './callback-url.ts'

const NOWHERE = () => []
const anyPublic = new CallbackRule(['*'], NOWHERE)

describe('a callback URL', () => {
  it.each(['https://example.com', 'HTTP://EXAMPLE.com./a?x=1', 'http://93.184.216.34:8080/', 'http://[2606:4700::1]/'])(
    'may be %s',
    url => {
      expect(anyPublic.urlProblem(url)).toBeUndefined()
    },
  )

  it.each([
    ['', 'absolute'],
    ['/relative', 'absolute'],
    ['ftp://example.com', 'absolute'],
    ['http:example.com', 'absolute'],
    ['http://', 'absolute'],
    ['javascript:alert(1)', 'absolute'],
    ['http://user:pw@example.com', 'credentials'],
    ['http://169.254.169.254/latest/meta-data', 'never'],
    ['http://2852039166/', 'never'],
    ['http://0xa9.0xfe.0xa9.0xfe/', 'never'],
    ['http://0.0.0.0:80', 'never'],
    ['http://[::]/', 'never'],
    ['http://[fe80::1]/', 'never'],
    ['http://[::ffff:169.254.169.254]/', 'never'],
    ['http://224.0.0.1/', 'never'],
    ['http://localhost:5001/batch', 'not public'],
    ['http://any.LOCALHOST./', 'not public'],
    ['http://127.0.0.1:5001/batch', 'not public'],
    ['http://2130706433/', 'not public'],
    ['http://[::1]:5001/', 'not public'],
    ['http://[::ffff:10.0.0.1]/', 'not public'],
    [`http://example.com/${'x'.repeat(3000)}`, 'longer'],
  ])('may not be %s', (url, why) => {
    expect(anyPublic.urlProblem(url)).toContain(why)
  })

  it('must be on the allow-list', () => {
    const rule = new CallbackRule(['*.example.com', 'localhost'], NOWHERE)
    expect(rule.urlProblem('http://a.example.com/')).toBeUndefined()
    expect(rule.urlProblem('http://LOCALHOST:1/')).toBeUndefined()
    for (const url of ['http://example.com', 'http://a.example.com.evil', 'http://axexample.com', 'http://10.0.0.1']) {
      expect(rule.urlProblem(url)).toContain('allow-list')
    }
    expect(new CallbackRule([], NOWHERE).urlProblem('http://localhost')).toContain('allow-list')
  })

  it('may lead to a private network if the allow-list names the host, which wildcards alone do not', () => {
    const naming = new CallbackRule(['*', '127.0.0.1', '10.1.*', '::1', '*.lan'], NOWHERE)
    for (const url of ['http://127.0.0.1:1/', 'http://10.1.2.3/', 'http://[::1]/']) {
      expect(naming.urlProblem(url)).toBeUndefined()
    }
    expect(naming.addressProblem('printer.lan', '192.168.1.2')).toBeUndefined()
    expect(naming.urlProblem('http://10.2.2.3/')).toContain('not public')
    for (const pattern of ['*', '**', '*.*', '*.*.*.*', '*:*']) {
      expect(new CallbackRule([pattern], NOWHERE).urlProblem('http://10.0.0.1/')).toMatch(/not public|allow-list/)
    }
  })
})

describe('the address behind a name', () => {
  it.each([
    '169.254.1.1',
    'fe80::1%eth0',
    '::ffff:169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    'fd00:ec2::254',
    'fd20:ce::254',
  ])('%s is refused even if the host is named', address => {
    expect(new CallbackRule(['meta.test']).addressProblem('meta.test', address)).toContain('never')
  })

  it.each([
    ...['127.0.0.1', '10.0.0.1', '172.31.255.255', '192.168.0.1', '100.64.0.1', '198.18.0.1', '::1', 'fd12::1'],
    ...['::ffff:127.0.0.1', '::ffff:192.168.0.1', '64:ff9b::7f00:1', '64:ff9b::a00:1', '::7f00:1', '::ffff:0:a00:1'],
    ...['2002:7f00:1::', '2001:0:7f00:1::', '64:ff9b:1::1', 'fec0::1'],
  ])('%s is not public', address => {
    expect(anyPublic.addressProblem('name.test', address)).toContain('not public')
    expect(new CallbackRule(['name.test']).addressProblem('name.test', address)).toBeUndefined()
  })

  it.each(['93.184.216.34', '172.32.0.1', '2606:4700::1', '::ffff:93.184.216.34', '64:ff9b::5db8:d822'])(
    '%s is public',
    address => {
      expect(anyPublic.addressProblem('name.test', address)).toBeUndefined()
    },
  )

  it('is not public if it is one of this machine', () => {
    const rule = new CallbackRule(['*'], () => ['203.0.113.7', '2606:4700::1'])
    expect(rule.urlProblem('http://203.0.113.7/')).toContain('not public')
    for (const address of ['2606:4700::1', '::ffff:203.0.113.7']) {
      expect(rule.addressProblem('name.test', address)).toContain('not public')
    }
    expect(rule.addressProblem('name.test', '203.0.113.8')).toBeUndefined()
  })

  it('is refused if it is not an address', () => {
    expect(anyPublic.addressProblem('name.test', 'nonsense')).toContain('never')
  })
})
