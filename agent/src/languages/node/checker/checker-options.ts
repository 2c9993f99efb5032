/** Paths of the declarations that replace what the user has not installed. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export interface CheckerOptions {
  /** `index.d.ts` or `index.ts` of `@ryo-faas/runtime`; its other entry points are next to it. */
  runtimeTypes: string
  /** `index.d.ts` of the `@types/node` for packages that have none. */
  nodeTypes: string
}

/** Both as installed next to this package. */
export function installedTypes(): CheckerOptions {
  const { resolve } = createRequire(import.meta.url)
  const runtime = resolve('@ryo-faas/runtime')
  const candidates = [
    runtime,
    runtime.replace(/\.js$/, '.d.ts'),
    // In a checkout that was not built.
    join(dirname(runtime), '..', 'src', 'index.ts'),
  ]
  return {
    runtimeTypes: candidates.find(path => path.endsWith('.ts') && existsSync(path)) ?? runtime,
    nodeTypes: join(dirname(resolve('@types/node/package.json')), 'index.d.ts'),
  }
}
