import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Debugpy, findDelve, mustBeAProcess } from './debuggers.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-debuggers-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const script = async (path: string, code: string) => {
  await mkdir(join(path, '..'), { recursive: true })
  await writeFile(path, `#!/bin/sh\n${code}\n`)
  await chmod(path, 0o755)
  return path
}
const unsupported = (hint: string) => expect.objectContaining({ code: 'UNSUPPORTED', hint: expect.stringContaining(hint) as string }) // prettier-ignore
const thrownBy = (run: () => unknown) => {
  try {
    return run()
  } catch (error) {
    return error
  }
}

test('Delve is found on the path, and where "go install" puts it; otherwise it is said how to get it', async () => {
  const environment = { PATH: join(folder, 'empty'), HOME: folder }
  expect(thrownBy(() => findDelve(environment))).toEqual(unsupported('apt-get install delve'))
  const installed = await script(join(folder, 'go', 'bin', 'dlv'), 'true')
  expect(findDelve(environment)).toBe(installed)
  const first = await script(join(folder, 'path', 'dlv'), 'true')
  expect(findDelve({ ...environment, PATH: join(folder, 'path') })).toBe(first)
})

test('debugpy is that of the Python that runs the function', async () => {
  const without = await script(join(folder, 'python-without'), 'echo no debugpy >&2; exit 1')
  const debugpy = new Debugpy({ PATH: process.env['PATH'] })
  expect(thrownBy(() => debugpy.of(without))).toEqual(unsupported(`${without} -m pip install debugpy`))
  // Installed in the meantime.
  await script(without, `echo ${folder}`)
  expect(debugpy.of(without)).toBe(folder)
})

test('an engine whose functions are no processes of this machine is refused', () => {
  expect(() => mustBeAProcess('Go', true)).not.toThrow()
  expect(thrownBy(() => mustBeAProcess('Go', false))).toEqual(unsupported('--engine process'))
})
