/** Sets a breakpoint as a person does, and meets it by a call from outside. */
import { expect } from 'vitest'
import { AgentClient } from 'ryo-faas/client'
import { takePicture } from '../bed/pictures.ts'
import { spaced } from '../bed/window.ts'
import type { Opened } from '../bed/windows.ts'

export interface Breakpoint {
  /** The deployment's. */
  name: string
  /** Module of the handler; relative to the workspace. */
  handler: string
  file: string
  line: number
  /** What the view of the variables shows there. */
  variable: string
  answer: string
  /** Where it runs; default: the platform of the window. */
  agent?: AgentClient
  picture: { name: string; shownAs?: string }
}

export async function meetBreakpoint({ platform, window }: Opened, breakpoint: Breakpoint): Promise<void> {
  const { name, handler, file, line, variable, answer, picture } = breakpoint
  const { page } = window
  const client = breakpoint.agent ?? (await AgentClient.connect(platform.home))
  await window.closeToasts()
  await window.openFile(file)
  await window.goTo(`:${line}`)
  await page.keyboard.press('F9')
  await page.locator('[class*="codicon-debug-breakpoint"]').first().waitFor()
  await window.openFile(handler)
  await window.command('ryo-faas: Deploy and Debug Function')
  await page.locator('.debug-toolbar').waitFor()
  await window.openFile(file)
  // Found in the bundle that runs.
  await page.locator('.codicon-debug-breakpoint').first().waitFor()

  const { url } = await client.call('deployment', { params: { name } })
  const stopped = page.locator('.debug-top-stack-frame-line').first()
  const { called } = await untilHeld(
    async () => (await fetch(`${url}?name=Ann`)).text(),
    () => stopped.waitFor(),
  )
  const frame = page.locator('.debug-call-stack .monaco-list-row', { hasText: file.split('/').at(-1)! }).first()
  await frame.waitFor()
  expect(await frame.innerText()).toContain(`${line}:`)
  await page
    .locator('.debug-variables .monaco-list-row', { hasText: spaced(variable) })
    .first()
    .waitFor()
  await takePicture(page, picture.name, picture)
  await window.command('Debug: Continue')
  expect(await called).toBe(answer)

  await window.command('Debug: Disconnect')
  await window.toast('still running in debug mode').getByRole('button', { name: 'Redeploy' }).click()
  await window.toast(new RegExp(`${name} v\\d+ is live`)).waitFor()
  expect(await client.call('deployment', { params: { name } })).not.toHaveProperty('debugPort')
  await window.openView()
}

/** The dot is drawn before the debugger has bound the breakpoint, and until then calls run through. */
async function untilHeld(
  call: () => Promise<string>,
  stopped: () => Promise<void>,
): Promise<{ called: Promise<string> }> {
  for (;;) {
    const called = call()
    const isHeld = await Promise.race([
      called.then(() => false),
      stopped().then(
        () => true,
        () => false,
      ),
    ])
    if (isHeld) return { called }
  }
}
