/** The dashboard's page. */
import { render } from 'preact'
import { agent, session, takeKey } from './api.ts'
import { useFetched, useFigures, useRoute, useSignals } from './live.ts'
import { Certificates } from './certificates.tsx'
import { Overview } from './overview.tsx'
import { SignedIn, SignIn } from './sign-in.tsx'
import { followTheme } from './theme.ts'
import { Trace } from './trace.tsx'
import { Traces } from './traces.tsx'

followTheme(takeKey())

/** The address may contain anything, also invalid escapes. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function App() {
  const route = useRoute()
  const signals = useSignals()
  const figures = useFigures()
  const { value: platform } = useFetched(signal => agent.platform(signal), `${signals.platform}`)
  const [path, query] = route.split('?')
  const traceId = /^\/trace\/(.+)$/.exec(path!)?.[1]
  const isRefused = signals.problem?.code === 'UNAUTHORIZED'
  const { value: who } = useFetched(signal => session.current(signal), `${isRefused}`)
  const isToSignIn = isRefused && who !== undefined && who.name === undefined
  return (
    <>
      <nav>
        <strong>ryo-faas</strong>
        <span class="dim" title={platform && `${platform.home} · ${platform.version}`}>
          {platform && `${location.hostname} · ${platform.project} · ${platform.version}`}
        </span>
        <span class={platform?.isolation?.warning === undefined ? 'dim' : 'warn'} title={platform?.engineNote}>
          {platform?.isolation?.label ?? platform?.engine}
        </span>
        <a href="#/" aria-current={path === '/' ? 'page' : undefined}>
          Overview
        </a>
        <a href="#/traces" aria-current={path !== '/' ? 'page' : undefined}>
          Traces
        </a>
        <span class="grow" />
        {who?.name !== undefined && !isRefused && <SignedIn name={who.name} can={who.can!} />}
        <span class={signals.problem ? 'live away' : 'live'} role="status">
          {signals.problem ? 'offline' : 'live'}
        </span>
        <span class="dim keys">
          <kbd>↑</kbd> <kbd>↓</kbd> select <kbd>↵</kbd> open <kbd>esc</kbd> back <kbd>/</kbd> search
        </span>
      </nav>
      <main>
        {isToSignIn && <SignIn />}
        {signals.problem && !isToSignIn && (
          <p class="problem" role="alert">
            {isRefused ? 'This page needs its key. Open it with: ryo-faas dashboard' : signals.problem.message}
          </p>
        )}
        {isRefused ? null : traceId !== undefined ? (
          <Trace key={traceId} id={decoded(traceId)} changes={signals.traces} />
        ) : path === '/traces' ? (
          <Traces
            filter={Object.fromEntries(new URLSearchParams(query))}
            functions={[...figures.functions.keys()].sort()}
            changes={signals.traces}
          />
        ) : (
          <>
            <Certificates
              certificates={platform?.certificates ?? []}
              mayRetry={who !== undefined && who.can !== 'read'}
            />
            <Overview figures={figures} />
          </>
        )}
      </main>
    </>
  )
}

render(<App />, document.getElementById('app')!)
