/** The generated module that a function's process runs: the runtime first, then the user's module, then `start`. */
import { relative, sep } from 'node:path'
import type { BundleRequest } from './build.ts'

/** `exported_<name>`, without extension. Deployment names are safe in file names on every system. */
export function entryName(name: string): string {
  return `exported_${name}`
}

/** @param packageAt path of the package from the entry: `.` for the bundler, `./package` for readers */
export function entrySource(request: BundleRequest, packageAt: string): string {
  const module = `${packageAt}/${relative(request.packageDir, request.filePath).split(sep).join('/')}`
  const { name, style, exportName, takesContext = false } = request
  const passed = style === 'node' ? `, takesContext: ${takesContext}` : ''
  return [
    `import { start } from '@ryo-faas/runtime/main'`,
    `import { ${quoted(exportName)} as handler } from ${quoted(module)}`,
    ``,
    `void start({ name: ${quoted(name)}, style: ${quoted(style)}${passed}, handler })`,
    ``,
  ].join('\n')
}

function quoted(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
}
