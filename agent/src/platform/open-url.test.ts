import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openUrl } from './open-url.ts'

const URL = 'http://127.0.0.1:9998/dashboard#key=secret</script>'

// On other systems the opener has another name.
test.runIf(process.platform === 'linux')('only the user sees the key in the URL', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ryo-faas-open-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const [file, heard, opener] = ['run/dashboard.html', 'heard', 'xdg-open'].map(name => join(folder, name))
  await writeFile(opener!, `#!/bin/sh\necho "$@" > ${heard}.part && mv ${heard}.part ${heard}\n`)
  await chmod(opener!, 0o755)
  vi.stubEnv('PATH', `${folder}:${process.env['PATH']}`)
  onTestFinished(() => void vi.unstubAllEnvs())
  await openUrl(URL, file!)
  // The process list shows the opener's arguments.
  await expect.poll(() => readFile(heard!, 'utf8').catch(() => '')).toBe(`${file}\n`)
  expect((await stat(file!)).mode & 0o777).toBe(0o600)
  expect((await stat(join(folder, 'run'))).mode & 0o777).toBe(0o700)
  const [, address = ''] = /location\.replace\((.*)\)<\/script>\n$/.exec(await readFile(file!, 'utf8')) ?? []
  expect(JSON.parse(address)).toBe(URL)
})
