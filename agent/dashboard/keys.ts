/** Keyboard shortcuts. Keys typed into a field go to the field, except Escape. */
import { useEffect, useRef } from 'preact/hooks'

/** @param keys by `KeyboardEvent.key`. */
export function useKeys(keys: Record<string, () => void>): void {
  const latest = useRef(keys)
  latest.current = keys
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return
      const target = event.target as HTMLElement
      const isField = /^(?:INPUT|SELECT|TEXTAREA)$/.test(target.tagName)
      if (isField && event.key !== 'Escape') return
      // Enter activates a focused button or link by itself.
      if (event.key === 'Enter' && /^(?:BUTTON|A|SUMMARY)$/.test(target.tagName)) return
      const act = latest.current[event.key]
      if (act === undefined) return
      event.preventDefault()
      if (isField) target.blur()
      act()
    }
    addEventListener('keydown', pressed)
    return () => removeEventListener('keydown', pressed)
  }, [])
}

/** Scrolls the selected row into view. */
export function useScrollIntoView(selector: string, key: unknown): void {
  useEffect(() => document.querySelector(selector)?.scrollIntoView({ block: 'nearest' }), [key])
}
