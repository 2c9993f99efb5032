/** Echoes its request: method, path after the function's name, query, and the body if there is one. */
export async function Method2(request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url)
  const body = await request.text()
  const answer = {
    method: request.method,
    path: pathname,
    query: Object.fromEntries(searchParams),
    ...(body !== '' && { body }),
  }
  return new Response(JSON.stringify(answer) + '\n', { headers: { 'content-type': 'application/json' } })
}
