/** Resolves imported packages: bundled (the rule), left outside (`unbundled-packages.ts`), installed, or absent. */
import { existsSync, realpathSync } from 'node:fs'
import { isAbsolute, join, relative, resolve } from 'node:path'
import type { Plugin } from 'esbuild'
import type { InstalledPackages } from './installed-packages.ts'
import { findPackage, isCommonJs, packageNameOf } from './node-packages.ts'
import { placeInApp } from './plain-paths.ts'
import type { ReadableFolders } from './readable-folders.ts'
import { refusal } from './readable-plugin.ts'
import type { UnbundledPackages } from './unbundled-packages.ts'

const ADDON = 'ryo-faas-addon'
const OUTSIDE = 'ryo-faas-outside'
const IN_PACKAGE = /[\\/]node_modules[\\/]/
/** Looked up when the line is reached; a static import is looked up before anything runs. */
const CAN_WAIT: ReadonlySet<string> = new Set(['require-call', 'require-resolve', 'dynamic-import'])
const SEEN = { ryoFaasSeen: true }

export interface PackagesPluginOptions {
  packageDir: string
  /** Packages in place of a `node_modules` that the package does not have. */
  installed: () => InstalledPackages | undefined
  /** What the current build may read; it learns of links that lead to packages. */
  readable: () => ReadableFolders
  /** What the current build leaves outside. */
  unbundled: () => UnbundledPackages
  /** Whether a package required it although it was missing. */
  isAbsent(specifier: string): boolean
  /** Left to Node, which throws when the line is reached. */
  onAbsent(specifier: string, importer: string): void
  /** A `.node` file outside a native package; `place` is its path in the app. */
  onAddon(source: string, place: string): void
}

export function packagesPlugin(options: PackagesPluginOptions): Plugin {
  const { packageDir, installed, readable, unbundled, isAbsent, onAbsent, onAddon } = options
  return {
    name: 'ryo-faas-packages',
    setup(build) {
      build.onResolve({ filter: /^[^./]/ }, async ({ path, importer, namespace, resolveDir, pluginData, kind }) => {
        const name = packageNameOf(path)
        if (name === undefined || kind === 'entry-point' || pluginData === SEEN) return undefined
        if (namespace === OUTSIDE) return { path, external: true }
        const near = findPackage(name, resolveDir)
        const elsewhere = near === undefined ? installed()?.find(path, name, resolveDir) : undefined
        const found = near ?? elsewhere?.folder
        if (found === undefined) {
          if (!CAN_WAIT.has(kind) || !isAbsent(path) || !IN_PACKAGE.test(importer)) return undefined
          onAbsent(path, importer)
          return { path, external: true }
        }
        const folder = elsewhere?.isLinked ? readable().admit(found) : readable().follow(found, name)
        const resolveFound = () =>
          build.resolve(elsewhere?.path ?? path, {
            kind,
            resolveDir: elsewhere?.resolveDir ?? resolveDir,
            pluginData: SEEN,
          })
        const reason = unbundled().whyNot(name, found)
        if (reason === undefined) return elsewhere && resolveFound()
        if (!readable().holds(join(folder, 'package.json'))) return { errors: [refusal(folder, readable())] }
        unbundled().use(name, found, reason)
        if (kind === 'require-resolve' || kind === 'require-call') return { path, external: true }
        const { path: file, errors, sideEffects } = await resolveFound()
        if (errors.length > 0 || !isCommonJs(file)) return { path, external: true }
        return { path, namespace: OUTSIDE, sideEffects }
      })
      // Node guesses the names that a CommonJS module exports; `require` gives all, as in a bundle.
      build.onLoad({ filter: /.*/, namespace: OUTSIDE }, ({ path }) => ({
        contents: `module.exports = require(${JSON.stringify(path)})`,
        loader: 'js',
        resolveDir: packageDir,
      }))

      build.onResolve({ filter: /\.node$/ }, ({ path, resolveDir, namespace }) => {
        if (namespace === ADDON) return { path, external: true }
        const source = isAbsolute(path) ? path : resolve(resolveDir, path)
        if (!existsSync(source)) return undefined
        const real = realpathSync(source)
        if (!readable().holds(real)) return { errors: [refusal(real, readable())] }
        const place = placeInApp(relative(packageDir, source))
        onAddon(source, place)
        return { path: place, namespace: ADDON }
      })
      build.onLoad({ filter: /.*/, namespace: ADDON }, ({ path }) => ({
        contents: `module.exports = require(${JSON.stringify(`./${path}`)})`,
        loader: 'js',
        resolveDir: packageDir,
      }))
    },
  }
}
