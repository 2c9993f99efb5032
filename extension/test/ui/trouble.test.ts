/** What is seen when Docker was asked for and is missing. */
import { expect, test } from 'vitest'
import { takePicture } from '../bed/pictures.ts'
import { NO_DOCKER, Windows } from '../bed/windows.ts'

const windows = new Windows({ environment: NO_DOCKER })

const isTrue = () => true
const isFalse = () => false

test('where Docker is asked for and does not answer, the view says what was tried and offers to do without', async () => {
  const { platform, window } = await windows.open({ engine: 'docker' })
  await window.openView()
  const start = window.button('Start FaaS')
  await start.click()
  // A welcome view that is drawn again at this moment loses the click.
  while (!(await start.waitFor({ state: 'hidden', timeout: 10_000 }).then(isTrue, isFalse))) await start.click()
  await window.toast('Run without containers').waitFor()
  await window.row(/Docker is not responding.*nowhere/).waitFor()
  await takePicture(window.page, '11-docker-missing')
  await window.row('Run without containers').click()
  await window.row('as processes, without isolation').waitFor()
  expect(await platform.settings()).toMatchObject({ 'ryo-faas.engine': 'process' })
})
