/** Tests in a real VS Code, on the packaged extension: `npm run test:editor`. */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const conditions = ['source', 'node', 'import', 'default']

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    name: 'editor',
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/bed/global-setup.ts',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Each has editors, homes and ports of its own; much of the time is waiting.
    maxWorkers: 2,
  },
})
