/** Dark or light: follows the editor if the page is in its frame, else the system; also when that changes. */
export type Theme = 'dark' | 'light'

/** Event of the window: the colours have changed. */
export const THEME_CHANGE = 'ryo-faas-theme'

export function followTheme(given: string | null): void {
  const dark = matchMedia('(prefers-color-scheme: dark)')
  let wanted: unknown = given
  const apply = (): void => {
    const theme: Theme = isTheme(wanted) ? wanted : dark.matches ? 'dark' : 'light'
    document.documentElement.dataset['theme'] = theme
    dispatchEvent(new Event(THEME_CHANGE))
  }
  apply()
  dark.addEventListener('change', apply)
  addEventListener('message', ({ data }: MessageEvent<unknown>) => {
    const { theme } = (data ?? {}) as { theme?: unknown }
    if (!isTheme(theme)) return
    wanted = theme
    apply()
  })
}

function isTheme(value: unknown): value is Theme {
  return value === 'dark' || value === 'light'
}
