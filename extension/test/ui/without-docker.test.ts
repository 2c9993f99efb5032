/** The first steps where no Docker answers; on the way the agent is killed, and the window reloaded. */
import { expect, test } from 'vitest'
import { takePicture } from '../bed/pictures.ts'
import { NO_DOCKER, type Opened } from '../bed/windows.ts'
import { firstSteps } from './first-steps.ts'

firstSteps({
  pictures: 'processes',
  engineNote: 'as processes, without isolation',
  environment: NO_DOCKER,
  inBetween: (opened: () => Opened) => {
    test('a killed agent is shown as away, calls go on, and it comes back by itself', async () => {
      const { platform, window } = opened()
      await window.command('View: Close All Editors')
      await window.openFile('hello/helloWorld.ts')
      await window.command('ryo-faas: Copy URL of Function')
      await window.statusBar('Copied').waitFor()
      const url = await window.page.evaluate(() => navigator.clipboard.readText())
      const before = await platform.agentPid()
      process.kill(before, 'SIGKILL')
      expect(await (await fetch(url)).text()).toBe('Hello, World!\n')
      await window.row('The agent is not responding').waitFor()
      await takePicture(window.page, 'processes-10-agent-away')
      await window.row('The agent is not responding').waitFor({ state: 'detached' })
      await window.lens(/✓ v1 · 4 calls/).waitFor()
      expect(await platform.agentPid()).not.toBe(before)
      await window.lens('Redeploy').click()
      await window.toast('nothing changed').waitFor()
    })

    test('a reloaded window finds the platform again', async () => {
      const { window } = opened()
      await window.page.reload()
      await window.row(/HelloWorld.*v1(?! · [a-z])/).waitFor()
      await window.openFile('hello/helloWorld.ts')
      await window.lens(/✓ v1/).waitFor()
    })
  },
})
