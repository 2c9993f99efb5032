/** Packages with machine code, on both engines. */
import { web, type App } from '../app.ts'

const SHARP = web(
  `(await sharp({ create: { width: 4, height: 4, channels: 3, background: 'red' } }).png().toBuffer()).length > 0 && 'ok'`,
  `import sharp from 'sharp'`,
)
const SQLITE = {
  dependencies: { 'better-sqlite3': '12', '@types/better-sqlite3': '7' },
  install: { scripts: true },
  files: {
    'hello.ts': web(
      `(new Database(':memory:').prepare('select 1 + 1 as sum').get() as { sum: number }).sum`,
      `import Database from 'better-sqlite3'`,
    ),
  },
}

export const NATIVES: App[] = [
  ...onBoth({ name: 'sharp 0.35', dependencies: { sharp: '0.35' }, files: { 'hello.ts': SHARP } }),
  ...onBoth({ name: 'sharp 0.34', dependencies: { sharp: '0.34' }, files: { 'hello.ts': SHARP } }),
  ...onBoth({ name: 'sharp 0.33', dependencies: { sharp: '0.33' }, files: { 'hello.ts': SHARP } }),
  ...onBoth({
    name: 'bcrypt',
    dependencies: { bcrypt: '6', '@types/bcrypt': '6' },
    files: {
      'hello.ts': web(`await bcrypt.compare('x', await bcrypt.hash('x', 4)) && 'ok'`, `import bcrypt from 'bcrypt'`),
    },
  }),
  ...onBoth({
    name: '@node-rs/argon2',
    dependencies: { '@node-rs/argon2': '2' },
    files: {
      'hello.ts': web(`await verify(await hash('x'), 'x') && 'ok'`, `import { hash, verify } from '@node-rs/argon2'`),
    },
  }),
  ...onBoth({
    name: 'argon2',
    dependencies: { argon2: '0.44' },
    files: { 'hello.ts': web(`await verify(await hash('x'), 'x') && 'ok'`, `import { hash, verify } from 'argon2'`) },
  }),
  ...onBoth({
    name: '@napi-rs/canvas',
    dependencies: { '@napi-rs/canvas': '0.1' },
    files: {
      'hello.ts': web(
        `createCanvas(4, 4).toBuffer('image/png').length > 0 && 'ok'`,
        `import { createCanvas } from '@napi-rs/canvas'`,
      ),
    },
  }),
  {
    // Compiled for the Node that runs npm, which is not the one that functions run on: the deploy says what to do.
    name: 'better-sqlite3 for another node',
    ...SQLITE,
    // The second where that Node is installed.
    notes: /better-sqlite3 will not load: it was built for Node \d+[^]*(?:startFaas --node|set "node": "\d+")/,
    calls: [{ status: 500, answer: /./ }],
  },
  { name: 'better-sqlite3 with startFaas --node', onMachinesNode: true, ...SQLITE, calls: [{ answer: '2' }] },
]

function onBoth(app: App): App[] {
  return [app, { ...app, name: `${app.name} in a container`, engine: 'docker' }]
}
