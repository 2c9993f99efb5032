/** Dark or light: as the editor says in whose frame this page is, else as the system says, also when it changes. */
export type Theme = 'dark' | 'light'

export function followTheme(given: string | null): void {
  const dark = matchMedia('(prefers-color-scheme: dark)')
  const apply = (): void => {
    const theme: Theme = given === 'dark' || given === 'light' ? given : dark.matches ? 'dark' : 'light'
    document.documentElement.dataset['theme'] = theme
  }
  apply()
  dark.addEventListener('change', apply)
}
