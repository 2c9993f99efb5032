import { userInfo } from 'node:os'

/** For the audit log. */
export const USER_AGENT = `ryo-faas${userName()}`

function userName(): string {
  try {
    // What cannot be in a header is nobody's login name.
    return ` (${userInfo().username.replace(/[^\x21-\x7e]|[()]/g, '_')})`
  } catch {
    return '' // The user has no name on this machine.
  }
}
