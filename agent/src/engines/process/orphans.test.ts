import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { endOrphans } from './orphans.ts'

test.skipIf(process.platform !== 'linux')('an instance without a record ends, and nothing else does', async () => {
  const home = await realpath(await mkdtemp(join(tmpdir(), 'rfa-orphans-')))
  const [inside, beside] = [join(home, 'deployments'), `${home}-2`]
  await Promise.all([inside, beside].map(folder => mkdir(folder)))
  const run = (cwd: string, env: Record<string, string>) =>
    spawn('sleep', ['60'], { cwd, env: { ...process.env, ...env }, detached: true, stdio: 'ignore' })
  const orphan = run(inside, { RYO_FAAS_INSTANCE: 'lost' })
  const others = [
    run(inside, { RYO_FAAS_INSTANCE: 'known' }),
    run(inside, {}),
    run(beside, { RYO_FAAS_INSTANCE: 'lost' }),
  ]
  const all: ChildProcess[] = [orphan, ...others]
  try {
    await Promise.all(all.map(child => once(child, 'spawn')))
    const ended = once(orphan, 'exit')
    await endOrphans(home, id => id === 'known')
    expect(await ended).toEqual([null, 'SIGKILL'])
    expect(others.map(({ exitCode, signalCode }) => exitCode ?? signalCode)).toEqual([null, null, null])
  } finally {
    for (const child of all) child.kill('SIGKILL')
    await Promise.all([home, beside].map(folder => rm(folder, { recursive: true })))
  }
})
