/** Signing in with a token, where the page is served to people elsewhere. */
import { useState } from 'preact/hooks'
import { session } from './api.ts'

export function SignIn() {
  const [problem, setProblem] = useState<string>()
  const signIn = async (form: HTMLFormElement) => {
    const token = new FormData(form).get('token')
    await session.begin(typeof token === 'string' ? token : '')
    location.reload()
  }
  return (
    <form
      class="sign-in"
      aria-label="Sign in"
      onSubmit={event => {
        event.preventDefault()
        signIn(event.currentTarget).catch((error: Error) => setProblem(error.message))
      }}
    >
      <label>
        Token
        <input name="token" type="password" autocomplete="current-password" required autofocus />
      </label>
      <button type="submit">Sign in</button>
      {problem !== undefined && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <p class="dim">A token is made on the server, with: ryo-faas token create NAME --can read</p>
    </form>
  )
}

/** Whose session it is, and the way out. */
export function SignedIn({ name, can }: { name: string; can: string }) {
  const signOut = () =>
    void session
      .end()
      .catch(() => undefined) // It has ended already.
      .then(() => location.reload())
  return (
    <span>
      <span class="dim">
        {name} ({can})
      </span>{' '}
      <button type="button" onClick={signOut}>
        Sign out
      </button>
    </span>
  )
}
