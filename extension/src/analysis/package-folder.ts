/**
 * The package that a file is in, and whether that is a project of another web framework: there, `GET` and `POST` in
 * every second file look like handlers of ours and are not.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Packages whose users export functions of `Request` and `Response` themselves. */
const FRAMEWORKS = new Set([
  'next',
  'nuxt',
  'astro',
  'hono',
  'elysia',
  'itty-router',
  'wrangler',
  'vercel',
  'netlify',
  'encore.dev',
  '@sveltejs/kit',
  '@solidjs/start',
  '@nestjs/core',
  '@react-router/dev',
  '@remix-run/dev',
  '@tanstack/react-start',
  '@azure/functions',
  '@cloudflare/workers-types',
  '@netlify/functions',
  '@vercel/node',
  'firebase-functions',
])
const OURS = '@ryo-faas/runtime'

/**
 * The nearest folder with a package.json or tsconfig.json.
 * @param root where the search ends; without one it ends at the file's own folder
 */
export function packageFolder(file: string, root: string | undefined): string {
  const own = dirname(file)
  for (let folder = own; ; folder = dirname(folder)) {
    if (['package.json', 'tsconfig.json'].some(name => existsSync(join(folder, name)))) return folder
    if (root === undefined || folder === root || folder === dirname(folder)) return own
  }
}

/** By the nearest package.json, which is read once. */
export class OtherFrameworks {
  readonly #known = new Map<string, boolean>()

  /** @param root where the search for a package.json ends */
  hasFile(file: string, root: string | undefined): boolean {
    for (let folder = dirname(file); ; folder = dirname(folder)) {
      const known = this.#inFolder(folder)
      if (known !== undefined) return known
      if (root === undefined || folder === root || folder === dirname(folder)) return false
    }
  }

  /** A package.json has changed. */
  forget(): void {
    this.#known.clear()
  }

  /** `undefined` without a package.json that can be read. */
  #inFolder(folder: string): boolean | undefined {
    const path = join(folder, 'package.json')
    if (this.#known.has(path)) return this.#known.get(path)
    let uses: boolean | undefined
    try {
      uses = usesFramework(JSON.parse(readFileSync(path, 'utf8')))
    } catch {
      return undefined // Missing, or half written.
    }
    this.#known.set(path, uses)
    return uses
  }
}

function usesFramework(manifest: unknown): boolean {
  const { dependencies, devDependencies } = (manifest ?? {}) as Record<string, object | undefined>
  const names = Object.keys({ ...dependencies, ...devDependencies })
  return !names.includes(OURS) && names.some(name => FRAMEWORKS.has(name))
}
