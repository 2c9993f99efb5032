/** What is seen when something is missing or dies: Docker, the agent. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterEach, expect, inject, test } from 'vitest'
import { Editor } from '../bed/editor.ts'
import { pictureOfFailure, takePicture } from '../bed/pictures.ts'
import { TestPlatform } from '../bed/platform.ts'
import { Window } from '../bed/window.ts'

const run = promisify(execFile)
const closing: (() => Promise<void>)[] = []

let shown: Window | undefined

afterEach(async ({ task }) => {
  if (shown && task.result?.state === 'fail') await pictureOfFailure(shown.page, task.name)
  shown = undefined
  for (const close of closing.splice(0).reverse()) await close()
})

async function openExamples(
  engine: 'auto' | 'docker' | 'process',
  environment: NodeJS.ProcessEnv = {},
): Promise<{ platform: TestPlatform; window: Window }> {
  const platform = await TestPlatform.make()
  closing.push(() => platform.remove())
  const editor = await Editor.start({
    ...inject('bed'),
    environment: { ...platform.environment, ...environment },
    settings: platform.settings(engine),
  })
  closing.push(() => editor.close())
  const window = new Window(await editor.open(platform.workspace))
  shown = window
  await window.openFile('hello/helloWorld.ts')
  await window.lens('▶ Deploy function').waitFor()
  await window.openView()
  return { platform, window }
}

const NO_DOCKER = { DOCKER_HOST: 'unix:///nowhere/docker.sock' }

test('without Docker, functions run as processes, and it is said why', async () => {
  const { window } = await openExamples('auto', NO_DOCKER)
  // Deploying starts the platform, too.
  await window.lens('▶ Deploy function').click()
  await window.row(/HelloWorld.*v1 · running/).waitFor()
  await window.row('as processes, without isolation').waitFor()
  await window.lens('Invoke').click()
  await window.editorText('Hello, World!').last().waitFor()
  await takePicture(window.page, '10-without-docker')
})

test('where Docker is asked for and does not answer, the view says what was tried and offers to do without', async () => {
  const { window } = await openExamples('docker', NO_DOCKER)
  await window.button('Start FaaS').click()
  await window.toast('Run without containers').waitFor()
  await window.row(/Docker does not answer.*nowhere/).waitFor()
  await takePicture(window.page, '11-docker-missing')
  await window.row('Run without containers').click()
  await window.row('as processes, without isolation').waitFor()
})

test('a killed agent is shown as away, calls go on, and it comes back by itself', async () => {
  const { platform, window } = await openExamples('process')
  await window.lens('▶ Deploy function').click()
  await window.lens(/✓ v1/).waitFor()
  await window.command('ryo-faas: Copy URL of Function')
  await window.statusBar('Copied').waitFor()
  const url = await window.page.evaluate(() => navigator.clipboard.readText())
  const before = await platform.agentPid()
  process.kill(before, 'SIGKILL')
  expect(await (await fetch(url)).text()).toBe('Hello, World!\n')
  await window.row('The agent does not answer').waitFor()
  await takePicture(window.page, '12-agent-away')
  await window.row('The agent does not answer').waitFor({ state: 'detached' })
  await window.lens(/✓ v1 · 1 call/).waitFor()
  expect(await platform.agentPid()).not.toBe(before)
  await window.lens('Redeploy').click()
  await window.toast('nothing has changed').waitFor()
})

test('a reloaded window finds the platform again', async () => {
  const { window } = await openExamples('process')
  await window.lens('▶ Deploy function').click()
  await window.lens(/✓ v1/).waitFor()
  await window.page.reload()
  await window.lens(/✓ v1/).waitFor()
  await window.row(/HelloWorld.*v1 · running/).waitFor()
})

test('with Docker where there is one, else without, a function answers', async () => {
  const hasDocker = await run('docker', ['info']).then(
    () => true,
    () => false,
  )
  const { window } = await openExamples(hasDocker ? 'docker' : 'process')
  await window.lens('▶ Deploy function').click()
  await window.row(/HelloWorld.*v1 · running/).waitFor({ timeout: 50_000 })
  await window.row(hasDocker ? 'in containers' : 'as processes').waitFor()
  await window.lens('Invoke').click()
  await window.editorText('Hello, World!').last().waitFor()
  await takePicture(window.page, '13-docker')
})
