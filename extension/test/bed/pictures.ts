/**
 * Screenshots of the tests. They are looked at after a run (`out/pictures`); with `UPDATE_PICTURES=1` those that the
 * README and the walkthrough show are renewed.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'

const extension = fileURLToPath(new URL('../..', import.meta.url))

export interface Clip {
  x: number
  y: number
  width: number
  height: number
}

/** @param shownAs path below `media`, for a picture in the documentation */
export async function takePicture(
  page: Page,
  name: string,
  { shownAs, clip }: { shownAs?: string; clip?: Clip } = {},
): Promise<void> {
  const picture = await page.screenshot()
  const file = join(extension, 'out', 'pictures', `${name}.png`)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, picture)
  if (shownAs === undefined || process.env['UPDATE_PICTURES'] !== '1') return
  const shown = join(extension, 'media', shownAs)
  await mkdir(dirname(shown), { recursive: true })
  await writeFile(shown, clip ? await page.screenshot({ clip }) : picture)
}

/** For `onTestFailed`: how the window looked. */
export async function pictureOfFailure(page: Page, test: string): Promise<void> {
  await takePicture(page, `failed-${test.replace(/\W+/g, '-')}`)
}
