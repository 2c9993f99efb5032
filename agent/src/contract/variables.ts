/**
 * `${NAME}` and `${NAME:-default}` in the values of `env` in deploy.json; `$${` is a literal `${`. The client that asks
 * for a deploy sends the variables that the file names: the agent never takes them from its own environment.
 */
const REFERENCE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g

/** Of `environment`, those variables that the text refers to. */
export function namedVariables(text: string, environment: Record<string, string | undefined>): Record<string, string> {
  const named: Record<string, string> = {}
  for (const [, name] of text.matchAll(REFERENCE)) {
    const value = name === undefined ? undefined : environment[name]
    if (value !== undefined) named[name!] = value
  }
  return named
}

/** Like a shell: the default also stands in for an empty variable. */
export function withVariables(
  text: string,
  valueOf: (name: string) => string | undefined,
): { text: string; missing: string[] } {
  const missing: string[] = []
  const expanded = text.replaceAll(REFERENCE, (whole, name: string | undefined, fallback: string | undefined) => {
    if (name === undefined) return whole.slice(1)
    const value = valueOf(name)
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value
    if (value === undefined) missing.push(name)
    return value ?? ''
  })
  return { text: expanded, missing }
}
