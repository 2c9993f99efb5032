/**
 * Variables of the environment that only one function under test sees. While such a function exists, `process.env` is a
 * view: an invocation sees its own variables in front of those of the process; what it sets is its own, too.
 */
import { AsyncLocalStorage } from 'node:async_hooks'

export type Variables = Readonly<Record<string, string>>
type Layer = Map<string, string | undefined>

const layers = new AsyncLocalStorage<Layer>()
const users = { count: 0, original: process.env, view: undefined as NodeJS.ProcessEnv | undefined }

export interface Environment {
  run<T>(work: () => T): T
  close(): void
}

export function openEnvironment(variables: Variables): Environment {
  if (Object.keys(variables).length === 0) return { run: work => work(), close: () => undefined }
  const layer: Layer = new Map(Object.entries(variables))
  if (users.count === 0) {
    users.original = process.env
    process.env = users.view = viewOf(process.env)
  }
  users.count += 1
  let isOpen = true
  return {
    run: work => layers.run(layer, work),
    close: () => {
      if (!isOpen) return
      isOpen = false
      users.count -= 1
      // Somebody else may have replaced it in the meantime.
      if (users.count === 0 && process.env === users.view) process.env = users.original
    },
  }
}

function viewOf(original: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const read = (name: string | symbol): string | undefined => {
    const layer = layers.getStore()
    return typeof name === 'string' && layer?.has(name) ? layer.get(name) : original[name as string]
  }
  const write = (name: string | symbol, value: string | undefined): boolean => {
    const layer = layers.getStore()
    if (layer !== undefined && typeof name === 'string') layer.set(name, value)
    else if (value === undefined) delete original[name as string]
    else original[name as string] = value
    return true
  }
  return new Proxy(original, {
    get: (_, name) => read(name),
    has: (_, name) => read(name) !== undefined,
    set: (_, name, value) => write(name, String(value)),
    deleteProperty: (_, name) => write(name, undefined),
    defineProperty: (_, name, { value }) => write(name, String(value)),
    ownKeys: () => {
      const names = new Set([...Object.keys(original), ...(layers.getStore()?.keys() ?? [])])
      return [...names].filter(name => read(name) !== undefined)
    },
    getOwnPropertyDescriptor: (_, name) => {
      const value = read(name)
      return value === undefined ? undefined : { value, writable: true, enumerable: true, configurable: true }
    },
  })
}
