/** JSON merge patch (RFC 7386): what the patch has replaces what the target has, `null` removes. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  // Without a prototype, so that a key named `__proto__` is a key like any other.
  const result = Object.assign(Object.create(null) as Record<string, unknown>, isObject(target) ? target : {})
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = mergePatch(Object.hasOwn(result, key) ? result[key] : undefined, value)
  }
  return result
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
