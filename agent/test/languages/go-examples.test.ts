import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GO_CACHE } from '../support/go-cache.ts'
import { sampleOf } from '../support/whole-suite.ts'
import { examplesContract } from './examples-contract.ts'

examplesContract('Go', {
  engines: sampleOf(['process', 'docker']),
  folder: 'go',
  environment: { GOCACHE: GO_CACHE },
  prepare: async folder => {
    // Users have it elsewhere: the one for the editor does not count.
    const goMod = await readFile(join(folder, 'go.mod'), 'utf8')
    await writeFile(join(folder, 'go.mod'), goMod.replace('=> ../../', '=> ../missing/'))
  },
  edit: {
    path: 'hello/hello.go',
    broken: { replacement: ['fmt.Fprintln', 'fmt.Nothing'], problem: /hello\.go:11:6.*undefined: fmt\.Nothing/s },
  },
})
