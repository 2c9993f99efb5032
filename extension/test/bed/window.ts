/**
 * What a person does in the editor's window: palette, lenses, trees, editors. Everything waits for what it looks for.
 */
import { errors, type FrameLocator, type Locator, type Page } from 'playwright-core'

export class Window {
  readonly page: Page

  constructor(page: Page) {
    this.page = page
    page.setDefaultTimeout(90_000)
  }

  /** Runs a command by its title, as typed into the palette. */
  async command(title: string): Promise<void> {
    await this.page.keyboard.press('F1')
    const input = this.page.locator('.quick-input-widget input')
    await input.waitFor()
    await input.fill(`>${title}`)
    await this.page
      .locator('.quick-input-list .monaco-list-row')
      .first()
      .getByText(title, { exact: false })
      .first()
      .waitFor()
    await this.page.keyboard.press('Enter')
  }

  async openFile(path: string): Promise<void> {
    const name = path.split('/').at(-1)!
    await this.page.keyboard.press('Control+P')
    const input = this.page.locator('.quick-input-widget input')
    await input.waitFor()
    await input.fill(path)
    await this.pick(name)
    await this.page.locator(`.tab.active[data-resource-name="${name}"]`).first().waitFor()
    // The tab is there before its text, and until then the file before takes the input.
    await this.page
      .locator(`.editor-group-container.active .monaco-editor[data-uri$="/${path}"] .view-line`)
      .first()
      .waitFor()
  }

  lens(text: string | RegExp): Locator {
    return this.page.locator('.codelens-decoration a', { hasText: spaced(text) })
  }

  /**
   * Waits until no visible lens is below this line: after an edit, lenses move only when the editor asks for them
   * again.
   */
  async lensesNotBelow(line: string): Promise<void> {
    await this.page.waitForFunction(text => {
      const topOf = (element: Element | undefined) => element?.getBoundingClientRect().top ?? 0
      const all = (selector: string) => [...document.querySelectorAll(selector)]
      const found = all('.monaco-editor .view-line').find(({ textContent }) =>
        textContent?.replaceAll('\u00a0', ' ').includes(text),
      )
      return all('.codelens-decoration').every(lens => topOf(lens) <= topOf(found))
    }, line)
  }

  /** The text of all lenses of a line, as it is read. */
  async lensLines(): Promise<string[]> {
    const texts = await this.page.locator('.codelens-decoration').allInnerTexts()
    return texts.map(text => text.replace(/\s+/g, ' ').trim())
  }

  async openView(): Promise<void> {
    const tab = this.page.locator('.activitybar .action-item', { has: this.page.locator('[aria-label^="ryo-faas"]') })
    if ((await tab.getAttribute('class'))?.includes('checked') !== true) {
      await tab.click()
      // The view takes the focus when it is drawn, and what asks for something closes when it loses it. What is drawn
      // after the view may have taken the focus in the meantime: then it is not waited for.
      await isShown(this.page.locator('.sidebar :focus').first(), 'attached')
    }
    // Off the icon, whose tooltip would stay.
    await this.page.mouse.move(720, 700)
  }

  row(text: string | RegExp): Locator {
    return this.page.locator('.sidebar .monaco-list-row', { hasText: spaced(text) })
  }

  /** An output channel's. */
  panelText(text: string | RegExp): Locator {
    return this.page.locator('.panel .view-lines', { hasText: spaced(text) })
  }

  /** The agent's page in a tab: a frame in the frame of a frame. */
  dashboard(): FrameLocator {
    const outer = this.page.frameLocator('iframe.webview').frameLocator('iframe#active-frame')
    return outer.frameLocator('iframe[title="Dashboard"]')
  }

  /** A welcome view's. */
  button(text: string): Locator {
    return this.page.locator('.welcome-view .monaco-button', { hasText: spaced(text) })
  }

  toast(text: string | RegExp): Locator {
    return this.page.locator('.notification-toast', { hasText: spaced(text) })
  }

  editorText(text: string | RegExp): Locator {
    return this.page.locator('.monaco-editor .view-lines', { hasText: spaced(text) })
  }

  /** An editor takes the focus a moment after its text is seen: also from a palette that was opened in the meantime. */
  focusedText(text: string | RegExp): Locator {
    return this.page.locator('.monaco-editor.focused .view-lines', { hasText: spaced(text) })
  }

  statusBar(text: string | RegExp): Locator {
    return this.page.locator('.statusbar-item', { hasText: spaced(text) })
  }

  /** Replaces the text of the editor that has the focus; pasted, so that nothing is completed on the way. */
  async type(text: string): Promise<void> {
    await this.page.keyboard.press('Control+A')
    await this.page.keyboard.insertText(text)
  }

  /** In a string of JSON: nothing is completed, as brackets and quotes would be. */
  async replaceWord(word: string, other: string): Promise<void> {
    await this.page
      .locator('.monaco-editor .view-line span', { hasText: new RegExp(`^"${word}"$`) })
      .last()
      .dblclick()
    await this.page.keyboard.insertText(other)
    await this.editorText(`"${other}"`).waitFor()
  }

  async goTo(place: string): Promise<void> {
    await this.page.keyboard.press('Control+P')
    const input = this.page.locator('.quick-input-widget input')
    await input.waitFor()
    await input.fill(place)
    await this.page.locator('.quick-input-list .monaco-list-row').first().waitFor()
    await this.page.keyboard.press('Enter')
  }

  async pick(text: string): Promise<void> {
    const row = this.page.locator('.quick-input-list .monaco-list-row', { hasText: spaced(text) }).first()
    await row.waitFor()
    await row.click()
  }

  /** Types into the input box that asks for this. */
  async answer(question: string, text: string): Promise<void> {
    const box = this.page.locator('.quick-input-widget', { hasText: question })
    await box.waitFor()
    await box.locator('input').first().fill(text)
    await this.page.keyboard.press('Enter')
  }

  /** Unfolds a view of the side bar, should it be folded. */
  async openSection(name: string): Promise<void> {
    const header = this.page.locator('.sidebar .pane-header', { hasText: name })
    if ((await header.getAttribute('aria-expanded')) !== 'true') await header.click()
  }

  /** Unfolds a row until its child is seen: one that is clicked while the editor draws its tree may be folded again. */
  async unfold(text: string | RegExp, child: string | RegExp): Promise<void> {
    const row = this.row(text)
    do {
      if ((await row.getAttribute('aria-expanded')) !== 'true') await row.click()
    } while (!(await isShown(this.row(child))))
  }

  /** Clicks an action that a row shows while the mouse is over it. */
  async inline(row: string | RegExp, action: string): Promise<void> {
    await this.row(row).hover()
    await this.row(row).getByRole('button', { name: action }).click()
  }

  /** One that must be answered. */
  dialog(text: string): Locator {
    return this.page.locator('.monaco-dialog-box', { hasText: spaced(text) })
  }

  /** At the cursor. */
  async quickFix(title: string): Promise<void> {
    await this.page.keyboard.press('Control+.')
    const action = this.page.locator('.action-widget .monaco-list-row', { hasText: title })
    await action.waitFor()
    // The list is drawn again as other fixes come in.
    await action.click({ force: true })
  }

  async closeToasts(): Promise<void> {
    await this.command('Notifications: Clear All Notifications')
  }
}

/** The editor draws spaces as no-break spaces, or not at all. */
export function spaced(text: string | RegExp): RegExp {
  const source = typeof text === 'string' ? text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') : text.source
  return new RegExp(source.replaceAll(' ', '\\s?'))
}

const SHOWN_MS = 5_000

async function isShown(what: Locator, state: 'visible' | 'attached' = 'visible'): Promise<boolean> {
  try {
    await what.waitFor({ state, timeout: SHOWN_MS })
    return true
  } catch (error) {
    if (error instanceof errors.TimeoutError) return false
    throw error
  }
}
