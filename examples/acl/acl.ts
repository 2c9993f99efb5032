/**
 * Who may do what is in a table: roles of users, and for each role what it allows.
 *
 * It does not authenticate callers. It trusts `X-User`, which anyone can send: put a gateway in front that
 * authenticates callers, replaces the header with the authenticated name, and is the only way to the proxy.
 */
import { store } from '@ryo-faas/runtime'

interface User {
  roles: string[]
}

interface Role {
  /** Methods, or `*`. */
  allows: string[]
}

const users = store<User>('users')
const roles = store<Role>('roles')
const notes = store<{ text: string; by: string }>('notes')

/** GET lists the notes, POST adds one, DELETE /<id> removes one, if the roles of the caller (`X-User`) allow it. */
export async function Notes(request: Request): Promise<Response> {
  const user = request.headers.get('x-user')
  if (user === null) return Response.json({ error: 'who are you? Send X-User' }, { status: 401 })
  if (!(await isAllowed(user, request.method))) {
    return Response.json({ error: `${user} may not ${request.method}` }, { status: 403 })
  }
  switch (request.method) {
    case 'POST': {
      const note = await notes.create({ text: await request.text(), by: user })
      return Response.json(note, { status: 201 })
    }
    case 'DELETE': {
      const wasThere = await notes.delete(new URL(request.url).pathname.slice(1))
      return new Response(null, { status: wasThere ? 204 : 404 })
    }
    default:
      return Response.json((await notes.query({ orderBy: '-by' })).documents)
  }
}

async function isAllowed(name: string, method: string): Promise<boolean> {
  const user = await users.get(name)
  for (const role of user?.data.roles ?? []) {
    const allows = (await roles.get(role))?.data.allows ?? []
    if (allows.includes(method) || allows.includes('*')) return true
  }
  return false
}
