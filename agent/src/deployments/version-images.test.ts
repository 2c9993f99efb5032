import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { BuiltPackage, Images } from '../engines/index.ts'
import { VersionImages } from './version-images.ts'

const built = (hash: string): BuiltPackage => ({ route: 'hello', hash, dir: `/nowhere/${hash}` })

let asked: string[]
let build: (ref: string, signal: AbortSignal) => Promise<void>
let images: VersionImages
let failures: unknown[]
const onFailure = (error: unknown) => void failures.push(error)

beforeEach(() => {
  asked = []
  failures = []
  build = async () => undefined
  const refOf = ({ route, hash }: BuiltPackage) => `${route}:${hash}`
  const engineImages: Images = {
    refOf,
    build: async (one, signal) => {
      asked.push(`build ${refOf(one)}`)
      await build(refOf(one), signal)
      return refOf(one)
    },
    list: async () => [],
    remove: async ref => void asked.push(`remove ${ref}`),
  }
  images = new VersionImages(engineImages, { laterMs: 1 })
})
afterEach(async () => {
  await images.close()
})

test('an image that is not needed yet is built later, once, and not for a version that was replaced', async () => {
  images.ensureLater(built('h1'), onFailure)
  images.ensureLater(built('h2'), onFailure)
  await vi.waitUntil(() => asked.length > 0)
  await images.ensure(built('h2'), new AbortController().signal)
  expect([asked, failures]).toEqual([['build hello:h2'], []])
})

test('removing it, or closing, cancels what is being built', async () => {
  const aborted: string[] = []
  build = (ref, signal) =>
    new Promise((_, reject) =>
      signal.addEventListener('abort', () => {
        aborted.push(ref)
        reject(new Error('aborted'))
      }),
    )
  images.ensureLater(built('h1'), onFailure)
  await vi.waitUntil(() => asked.length === 1)
  await images.remove('hello:h1')
  images.ensureLater(built('h2'), onFailure)
  await vi.waitUntil(() => asked.length === 3)
  await images.close()
  expect([asked, aborted, failures]).toEqual([
    ['build hello:h1', 'remove hello:h1', 'build hello:h2'],
    ['hello:h1', 'hello:h2'],
    [],
  ])
})

test('a failure is reported, and a start that wants the image builds it again', async () => {
  build = async () => {
    build = async () => undefined
    throw new Error('disk full')
  }
  images.ensureLater(built('h1'), onFailure)
  await vi.waitUntil(() => failures.length > 0)
  expect(failures).toMatchObject([{ message: 'disk full' }])
  expect(await images.ensure(built('h1'), new AbortController().signal)).toBe('hello:h1')
  expect(asked).toEqual(['build hello:h1', 'build hello:h1'])
})
