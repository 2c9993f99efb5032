/** One editor for all tests of a file; each opens windows of its own, with a platform of its own. */
import { afterAll, afterEach, beforeAll } from 'vitest'
import { bed } from './bed.ts'
import { Editor } from './editor.ts'
import { pictureOfFailure } from './pictures.ts'
import { TestPlatform, type PlatformOptions } from './platform.ts'
import { Window } from './window.ts'

export interface Opened {
  platform: TestPlatform
  window: Window
}

export interface WindowsOptions {
  environment?: NodeJS.ProcessEnv
  settings?: Record<string, unknown>
  workspaceTrust?: boolean
  /** Windows are closed after the last test, not after each. */
  stayOpen?: boolean
}

/** An editor that finds no Docker. */
export const NO_DOCKER = { DOCKER_HOST: 'unix:///nowhere/docker.sock' }

export class Windows {
  #editor: Editor | undefined
  readonly #opened: Opened[] = []

  /** For the tests of the file or `describe` that this is called in. */
  constructor({ stayOpen = false, ...options }: WindowsOptions = {}) {
    beforeAll(async () => {
      this.#editor = await Editor.start({ ...(await bed()), ...options })
    })
    afterEach(async ({ task }) => {
      try {
        if (task.result?.state === 'fail') {
          for (const { window } of this.#opened) await pictureOfFailure(window.page, task.name)
        }
      } finally {
        if (!stayOpen) await this.#closeAll()
      }
    })
    afterAll(async () => {
      try {
        await this.#closeAll()
      } finally {
        await this.#editor?.close()
      }
    })
  }

  async open(options: PlatformOptions = {}): Promise<Opened> {
    const platform = await TestPlatform.make(options)
    try {
      const window = new Window(await this.#editor!.open(platform.workspace))
      const opened = { platform, window }
      this.#opened.push(opened)
      return opened
    } catch (error) {
      await platform.remove()
      throw error
    }
  }

  async #closeAll(): Promise<void> {
    // All of them, whichever cannot be closed.
    const closed = this.#opened.splice(0).map(async ({ platform, window }) => {
      try {
        await this.#editor?.closeWindow(window.page)
      } finally {
        await platform.remove()
      }
    })
    const failed = (await Promise.allSettled(closed)).find(outcome => outcome.status === 'rejected')
    if (failed) throw failed.reason
  }
}
