/** How a project is laid out and installed: lock files, workspaces, package managers. */
import { web, type App, type Install } from '../app.ts'

const ODD = web(`odd(3) ? 'ok' : 'wrong'`, `import odd from 'is-odd'`)
const ODD_TYPES = { 'types.d.ts': `declare module 'is-odd' { export default function odd(value: number): boolean }\n` }

/** Two packages of one workspace: `app` uses the sources and a file of `shared`. */
const WORKSPACE = {
  'packages/shared/package.json': JSON.stringify({
    name: '@acme/shared',
    version: '1.0.0',
    private: true,
    type: 'module',
    exports: './src/index.ts',
    dependencies: { 'is-odd': '3' },
  }),
  'packages/shared/src/index.ts': `import { readFileSync } from 'node:fs'
import odd from 'is-odd'
export const text = () => readFileSync(new URL('./template.txt', import.meta.url), 'utf8') + odd(3)
`,
  'packages/shared/src/is-odd.d.ts': ODD_TYPES['types.d.ts'],
  'packages/shared/src/template.txt': 'template ',
  'packages/app/hello.ts': web('text()', `import { text } from '@acme/shared'`),
}

export const PROJECTS: App[] = [
  workspace('npm workspaces', 'npm'),
  workspace('npm workspaces, only the lock file', 'npm', true),
  workspace('pnpm workspaces', 'pnpm'),
  workspace('pnpm workspaces, only the lock file', 'pnpm', true),
  workspace('yarn workspaces, only the lock file', 'yarn', true),
  odd('pnpm with node_modules', { manager: 'pnpm' }),
  {
    name: 'pnpm with machine code',
    dependencies: { bcrypt: '6', '@types/bcrypt': '6' },
    install: { manager: 'pnpm' },
    files: {
      'hello.ts': web(`bcrypt.compareSync('x', bcrypt.hashSync('x', 4)) && 'ok'`, `import bcrypt from 'bcrypt'`),
    },
  },
  odd('package-lock only', { lockOnly: true }),
  {
    ...odd('package-lock only, above packageDir', { lockOnly: true }),
    files: { 'src/hello.ts': ODD, 'src/types.d.ts': ODD_TYPES['types.d.ts'] },
    deploy: [{ name: 'hello', packageDir: './src', filePath: './src/hello.ts' }],
  },
  odd('pnpm-lock only', { manager: 'pnpm', lockOnly: true }),
  odd('yarn.lock only', { manager: 'yarn', lockOnly: true }),
  odd('bun.lock only', { manager: 'bun', lockOnly: true }),
  odd('yarn plug and play', { manager: 'berry' }),
  odd('yarn plug and play, only the lock file', { manager: 'berry', lockOnly: true }),
]

function odd(name: string, install: Install): App {
  return { name, install, dependencies: { 'is-odd': '3' }, files: { 'hello.ts': ODD, ...ODD_TYPES } }
}

function workspace(name: string, manager: 'npm' | 'pnpm' | 'yarn', lockOnly = false): App {
  const version = manager === 'pnpm' ? 'workspace:*' : '1.0.0'
  return {
    name,
    install: { manager, lockOnly },
    root: 'packages/app',
    manifest: manager === 'pnpm' ? {} : { workspaces: ['packages/*'] },
    files: {
      ...WORKSPACE,
      ...(manager === 'pnpm' && { 'pnpm-workspace.yaml': 'packages:\n  - packages/*\n' }),
      'packages/app/package.json': JSON.stringify({
        name: '@acme/app',
        version: '1.0.0',
        private: true,
        type: 'module',
        dependencies: { '@acme/shared': version },
      }),
    },
    calls: [{ answer: 'template true' }],
  }
}
