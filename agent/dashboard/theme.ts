/**
 * Dark or light, in ordinary or high contrast: as the editor in whose frame this page is says, else as the system says;
 * also when it changes.
 */
export type Theme = 'dark' | 'light'

/** Event of the window: the colours have changed. */
export const THEME_CHANGE = 'ryo-faas-theme'

/** What an editor says. Its messages have the same fields as the address it opened. */
interface Wanted {
  theme?: unknown
  contrast?: unknown
}

export function followTheme(given: Wanted): void {
  const dark = matchMedia('(prefers-color-scheme: dark)')
  const more = matchMedia('(prefers-contrast: more)')
  let wanted = given
  const apply = (): void => {
    const isGiven = isTheme(wanted.theme)
    const theme: Theme = isTheme(wanted.theme) ? wanted.theme : dark.matches ? 'dark' : 'light'
    const isHigh = isGiven ? wanted.contrast === 'high' : more.matches
    Object.assign(document.documentElement.dataset, { theme, contrast: isHigh ? 'high' : 'normal' })
    dispatchEvent(new Event(THEME_CHANGE))
  }
  apply()
  dark.addEventListener('change', apply)
  more.addEventListener('change', apply)
  addEventListener('message', ({ data }: MessageEvent<unknown>) => {
    const said = (data ?? {}) as Wanted
    if (!isTheme(said.theme)) return
    wanted = said
    apply()
  })
}

function isTheme(value: unknown): value is Theme {
  return value === 'dark' || value === 'light'
}
