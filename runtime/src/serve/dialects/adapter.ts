/**
 * The seam between what other platforms call a function and the runtime: an adapter makes a request handler of what a
 * module exports. The generated entry imports the adapter that the checker chose, so a bundle holds no other one; what
 * an adapter needs of the user's packages, the entry imports for it. Adapters can be called without a server.
 */
import type { EventHandler, RequestHandler } from '../handler-set.ts'

/** What an adapter may know of where it runs. */
export interface Surroundings {
  /** Of the deployment. */
  readonly name: string
  readonly version: number
  readonly env: Readonly<Record<string, string | undefined>>
  /** Namespaces of the modules that the adapter's rule in the checker names, by specifier. */
  readonly packages: Readonly<Record<string, unknown>>
}

export interface Adapted {
  /** Absent: it answers no requests. */
  readonly handler?: RequestHandler | undefined
  /** What only the platform may start, by its name below `EVENTS_PREFIX`. */
  readonly triggers?: ReadonlyMap<string, EventHandler>
  /** After the last request. */
  stop?(): Promise<void>
}

/**
 * @param exported the export, or the whole module
 * @param options what the checker found out
 */
export type Adapter<Options = never> = (
  exported: unknown,
  options: Options,
  surroundings: Surroundings,
) => Adapted | Promise<Adapted>

/** The namespace of a module that the entry imported, which of a CommonJS module may be its default export. */
export function packageOf<T>({ packages, name }: Surroundings, specifier: string): T {
  const found = packages[specifier] as { default?: T } | undefined
  if (found === undefined) throw new Error(`${name} needs the package ${specifier}`)
  return found.default ?? (found as T)
}

/** For an export that is not what its type said. */
export function mismatch({ name }: Surroundings, wanted: string): TypeError {
  return new TypeError(`${name} does not export ${wanted}`)
}
