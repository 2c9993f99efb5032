import { describe, expect, it } from 'vitest'
import { callbackUrlProblem, isRefusedAddress } from './callback-url.ts'

describe('a callback URL', () => {
  it.each(['http://127.0.0.1:8080/done?x=1', 'https://example.com', 'HTTP://EXAMPLE.com./a', 'http://[::1]:1/'])(
    'may be %s',
    url => {
      expect(callbackUrlProblem(url, ['*'])).toBeUndefined()
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
    ['http://169.254.169.254/latest/meta-data', 'address'],
    ['http://2852039166/', 'address'],
    ['http://0xa9.0xfe.0xa9.0xfe/', 'address'],
    ['http://0.0.0.0:80', 'address'],
    ['http://[::]/', 'address'],
    ['http://[fe80::1]/', 'address'],
    ['http://[::ffff:169.254.169.254]/', 'address'],
    ['http://224.0.0.1/', 'address'],
    [`http://example.com/${'x'.repeat(3000)}`, 'too long'],
  ])('may not be %s', (url, why) => {
    expect(callbackUrlProblem(url, ['*'])).toContain(why)
  })

  it('must be on the allow-list', () => {
    const allow = ['*.example.com', 'localhost']
    expect(callbackUrlProblem('http://a.example.com/', allow)).toBeUndefined()
    expect(callbackUrlProblem('http://LOCALHOST:1/', allow)).toBeUndefined()
    for (const url of ['http://example.com', 'http://a.example.com.evil', 'http://axexample.com', 'http://10.0.0.1']) {
      expect(callbackUrlProblem(url, allow)).toContain('allow-list')
    }
    expect(callbackUrlProblem('http://localhost', [])).toContain('allow-list')
  })
})

it('addresses are refused after resolution too', () => {
  for (const address of ['169.254.1.1', 'fe80::1%eth0', '::ffff:169.254.169.254', 'fd00:ec2::254', 'nonsense']) {
    expect(isRefusedAddress(address)).toBe(true)
  }
  for (const address of ['127.0.0.1', '10.0.0.1', '::1', '93.184.216.34']) expect(isRefusedAddress(address)).toBe(false)
})
