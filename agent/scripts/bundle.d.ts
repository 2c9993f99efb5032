import type { BuildOptions } from 'esbuild'

export function bundleAgent(folder: string): Promise<void>
export function bundleQuickCli(folder: string, more?: BuildOptions): Promise<void>
