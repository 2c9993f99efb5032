/** The generated module that a function's process runs: the runtime first, then the user's module, then `start`. */
import { relative, sep } from 'node:path'
import type { BundleRequest } from './build.ts'
import { SETUP_DOOR } from './runtime-module.ts'

/** `exported_<name>`, without extension. Deployment names are safe in file names on every system. */
export function entryName(name: string): string {
  return `exported_${name}`
}

/** @param packageAt path of the package from the entry: `.` for the bundler, `./package` for readers */
export function entrySource(request: BundleRequest, packageAt: string): string {
  const module = `${packageAt}/${relative(request.packageDir, request.filePath).split(sep).join('/')}`
  const { name, exportName } = request
  const call = callOf(request)
  const exported = exportName === '*' ? '* as handler' : `{ ${quoted(exportName)} as handler }`
  return [
    `import { start } from '@ryo-faas/runtime/main'`,
    ...call.imports,
    `import ${exported} from ${quoted(module)}`,
    ``,
    `void start({ name: ${quoted(name)}, style: ${quoted(request.style)}, ${call.fields}handler })`,
    ``,
  ].join('\n')
}

function callOf(request: BundleRequest): { imports: string[]; fields: string } {
  if (request.style === 'node') return { imports: [], fields: `takesContext: ${request.takesContext ?? false}, ` }
  if (request.style === 'trigger' && request.takesCloudEvent) return { imports: [], fields: `takesCloudEvent: true, ` }
  if (request.style !== 'dialect') return { imports: [], fields: '' }
  const { name, options = {}, packages = [], setup } = request.adapter
  return {
    imports: [
      ...(setup === undefined ? [] : [`import ${quoted(`${SETUP_DOOR}${setup}`)}`]),
      `import { ${name} as adapter } from '@ryo-faas/runtime/dialects'`,
      ...packages.map((specifier, index) => `import * as package${index} from ${quoted(specifier)}`),
    ],
    fields:
      `adapter, options: ${JSON.stringify(options)}, ` +
      `packages: { ${packages.map((specifier, index) => `${quoted(specifier)}: package${index}`).join(', ')} }, `,
  }
}

function quoted(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
}
