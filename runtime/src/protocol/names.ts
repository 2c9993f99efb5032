/** Valid deployment names: letters, digits, `_`, `-`; starts with a letter or digit; at most 63 characters. */
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/

/** The route of a deployment is its name in lower case; two names with the same route are the same deployment. */
export function routeOf(name: string): string {
  return name.toLowerCase()
}

/**
 * Encodes text as one segment of a URL's path. Undefined for what cannot be one: empty text, dots that every URL parser
 * resolves (also if encoded), and lone surrogates.
 */
export function pathSegment(text: string): string | undefined {
  return text === '' || text === '.' || text === '..' || /\p{Cs}/u.test(text) ? undefined : encodeURIComponent(text)
}
