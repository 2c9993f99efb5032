import type { BuildOptions } from 'esbuild'

export const ENTRIES: readonly string[]
export const AS_MODULE: BuildOptions
export function bundleAgent(folder: string): Promise<void>
export function bundleQuickCli(folder: string, more?: BuildOptions): Promise<void>
