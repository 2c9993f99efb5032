/**
 * What of an instance is settled when its process boots, and cannot be changed afterwards. Instances of the pool are
 * kept by it: one can become a function that wants exactly the same.
 */
import { createHash } from 'node:crypto'
import type { BuiltPackage, InstanceSpec } from '../engine.ts'

export interface PoolClass {
  /** Name of the base image. */
  base: string
  /** Of Node, before its entry. */
  flags: string[]
  /** V8 sizes its heap by it. */
  memoryMb: number
  /** Node reads them once. */
  certificates: string
}

/** What instances that wait must be told before they are wanted. */
export type PoolWish = Pick<InstanceSpec, 'command' | 'limits' | 'certificates' | 'isPlain'>

/** The base image for functions in Node. */
export const NODE_BASE = 'node'

/** Read by Node, V8, libuv or the C library when they start, or the first time that they need them. */
const READ_AT_BOOT = /^(?:NODE_(?!ENV$)|UV_|LD_|LC_|LANG$|LANGUAGE$|ICU_|MALLOC_|GLIBC_|OPENSSL_|SSL_CERT_)/

export function keyOf({ base, flags, memoryMb, certificates }: PoolClass): string {
  return createHash('sha256')
    .update(JSON.stringify([base, flags, memoryMb, certificates]))
    .digest('hex')
    .slice(0, 16)
}

/** The class of an instance, or why no waiting process can become it. */
export function classOf(
  spec: PoolWish & Partial<Pick<InstanceSpec, 'env' | 'secrets' | 'debugPort'>>,
  { base = NODE_BASE }: Pick<BuiltPackage, 'base'>,
): PoolClass | { why: string } {
  const [program, ...args] = spec.command
  if (program !== 'node' || spec.isPlain) return { why: 'it does not run on Node' }
  if (spec.debugPort !== undefined) return { why: 'Node must know of a debugger when it boots' }
  const variables = [...Object.keys(spec.env ?? {}), ...Object.keys(spec.secrets ?? {})]
  const early = variables.find(name => READ_AT_BOOT.test(name))
  if (early !== undefined) return { why: `${early} is read when Node boots` }
  return {
    base,
    flags: args.slice(0, -1),
    memoryMb: spec.limits.memoryMb,
    certificates: spec.certificates ?? '',
  }
}

/** The classes of instances that are likely to be wanted. */
export function classesOf(wishes: readonly PoolWish[]): PoolClass[] {
  return wishes.flatMap(wish => {
    const of = classOf(wish, {})
    return 'why' in of ? [] : [of]
  })
}
