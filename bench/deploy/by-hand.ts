/** Deploying without us, with everything prepared: the bundle, the base image, the commands. */
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { frameworkFunction } from '../boot/bench-boot.ts'
import { ANSWER, buildFunction } from '../support/built-function.ts'
import { ownBaseImage } from '../support/base-image.ts'
import { freePort, run, startProgram, untilAnswer, type Program } from '../support/programs.ts'
import type { Stage } from '../support/stage.ts'
import type { Way } from './way.ts'

const FUNCTION_PORT = 6000

/** `docker build`, `docker rm`, `docker run` of the bundle our builder makes, on the base image our engine makes. */
export async function dockerByHand(stage: Stage): Promise<Way> {
  const name = `rfa-bench-${randomBytes(4).toString('hex')}`
  const built = await buildFunction(stage.folder, 'node')
  const module = join(built.dir, built.entry)
  const code = await readFile(module, 'utf8')
  await ownBaseImage(stage, `${name}:base`)
  await writeFile(
    join(built.dir, 'Dockerfile'),
    `FROM ${name}:base\nCOPY . /app\nCMD ["node", "/app/${built.entry}"]\n`,
  )
  const port = await freePort()
  stage.onEnd(async () => {
    await run('docker', ['rm', '--force', name])
    await run('docker', ['image', 'rm', '--force', name])
    await run('docker', ['image', 'prune', '--force', '--filter', `label=${name}`])
  })
  let edits = 0
  return {
    name: 'docker build, docker run',
    deploy: async () => {
      const text = `edit ${(edits += 1)}`
      const begin = performance.now()
      await writeFile(module, code.replace(JSON.stringify(ANSWER), JSON.stringify(text)))
      await run('docker', ['build', '--quiet', '--label', name, '--tag', name, built.dir])
      await run('docker', ['rm', '--force', name])
      await run('docker', ['run', '--detach', '--name', name, '--publish', `127.0.0.1:${port}:${FUNCTION_PORT}`, name])
      return { totalMs: (await untilAnswer(`http://127.0.0.1:${port}/`, text)) - begin, steps: undefined }
    },
  }
}

/** Google's framework stopped and restarted on its own port, as a watcher would. */
export async function frameworkRestart(stage: Stage): Promise<Way> {
  let running: Program | undefined
  let edits = 0
  return {
    name: 'functions-framework, restarted',
    deploy: async () => {
      const text = `edit ${(edits += 1)}`
      const port = await freePort()
      const begin = performance.now()
      const command = await frameworkFunction(
        stage.folder,
        `exports.Hello = (_, response) => response.end('${text}')\n`,
      )
      await running?.stop()
      running = await startProgram(stage, command(port))
      return { totalMs: (await untilAnswer(running.url, text)) - begin, steps: undefined }
    },
  }
}
