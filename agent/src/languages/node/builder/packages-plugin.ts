/** Decides about imported packages: bundled (the rule), copied because of a native addon, or installed. */
import { existsSync, realpathSync } from 'node:fs'
import { isAbsolute, join, relative, resolve } from 'node:path'
import type { Plugin } from 'esbuild'
import type { InstalledPackages } from './installed-packages.ts'
import { findPackage, nativeAddonOf, packageNameOf } from './node-packages.ts'
import { placeInApp } from './plain-paths.ts'
import type { ReadableFolders } from './readable-folders.ts'
import { refusal } from './readable-plugin.ts'

const ADDON = 'ryo-faas-addon'
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
  /** Whether a package required it although it was missing. */
  isAbsent(specifier: string): boolean
  /** Left to Node, which throws when the line is reached. */
  onAbsent(specifier: string, importer: string): void
  onNative(name: string, folder: string): void
  /** A `.node` file outside a native package; `place` is its path in the app. */
  onAddon(source: string, place: string): void
}

export function packagesPlugin(options: PackagesPluginOptions): Plugin {
  const { packageDir, installed, readable, isAbsent, onAbsent, onNative, onAddon } = options
  return {
    name: 'ryo-faas-packages',
    setup(build) {
      build.onResolve({ filter: /^[^./]/ }, ({ path, importer, resolveDir, pluginData, kind }) => {
        const name = packageNameOf(path)
        if (name === undefined || kind === 'entry-point' || pluginData === SEEN) return undefined
        const near = findPackage(name, resolveDir)
        const elsewhere = near === undefined ? installed()?.find(path, name, resolveDir) : undefined
        const found = near ?? elsewhere?.folder
        if (found === undefined) {
          if (!CAN_WAIT.has(kind) || !isAbsent(path) || !IN_PACKAGE.test(importer)) return undefined
          onAbsent(path, importer)
          return { path, external: true }
        }
        const folder = elsewhere?.isLinked ? readable().admit(found) : readable().follow(found, name)
        if (nativeAddonOf(folder) !== undefined) {
          if (!readable().holds(join(folder, 'package.json'))) return { errors: [refusal(folder, readable())] }
          onNative(name, found)
          return { path, external: true }
        }
        if (elsewhere === undefined) return undefined
        return build.resolve(elsewhere.path, { kind, resolveDir: elsewhere.resolveDir, pluginData: SEEN })
      })

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
