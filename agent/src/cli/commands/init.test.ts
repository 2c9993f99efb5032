import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Context } from '../context.ts'
import { init } from './init.ts'

test.each(['taken', 'a'.repeat(300), 'new\0line'])('a folder that cannot be made is named: %j', async dir => {
  const cwd = await mkdtemp(join(tmpdir(), 'rfa-init-'))
  onTestFinished(() => rm(cwd, { recursive: true }))
  await writeFile(join(cwd, 'taken'), 'a file')
  const made = init.run({ dir }, { cwd, runtimeTypes: cwd } as Context)
  await expect(made).rejects.toMatchObject({ code: 'INVALID_OPTION', hint: expect.stringContaining('init') })
})
