/**
 * What code looks for in `node_modules` at run time, with a `require` that the bundler leaves alone:
 * `require.resolve('x')`, `import.meta.resolve('x')`, and the results of `createRequire`.
 */
const ANY = /\bcreateRequire\b|\brequire\s*\.\s*resolve\b|\bimport\s*\.\s*meta\s*\.\s*resolve\b/
const LITERAL = String.raw`\(\s*(['"])((?:(?!\1)[^\\\n])+)\1`
const RESOLVED = new RegExp(String.raw`\b(?:require|import\s*\.\s*meta)\s*\.\s*resolve${LITERAL}`, 'g')
const MADE = /([A-Za-z_$][\w$]*)\s*=\s*(?:[A-Za-z_$][\w$]*\.)?createRequire\(/g

/** Specifiers of modules, as the code writes them. */
export function locatedModules(code: string): string[] {
  if (!ANY.test(code)) return []
  const made = [...code.matchAll(MADE)].map(([, name]) => name!.replaceAll('$', String.raw`\$`))
  const patterns = made.map(name => new RegExp(String.raw`(?<![\w$.])${name}(?:\.resolve)?${LITERAL}`, 'g'))
  return [...new Set([RESOLVED, ...patterns].flatMap(pattern => [...code.matchAll(pattern)].map(match => match[2]!)))]
}
