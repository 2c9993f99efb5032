import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { changeService, flagsIn, unitText, type System } from './service.ts'

async function machine(about: Partial<System> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'rfa-service-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const asked: string[] = []
  const system: System = {
    isBooted: true,
    isRoot: false,
    user: 'ann',
    folders: { system: join(folder, 'system'), user: join(folder, 'user') },
    run: async (program, args) => {
      asked.push([program, ...args].join(' '))
      const stdout = args.includes('is-active') ? 'active\n' : args.includes('is-enabled') ? 'enabled\n' : ''
      return { code: 0, stdout, stderr: '' }
    },
    ...about,
  }
  return {
    asked,
    system,
    home: '/home/ann/.ryo-faas',
    unit: (of: 'system' | 'user') => join(folder, of, 'ryo-faas.service'),
  }
}

test('a user gets a unit that runs without a login, with the options that were given', async () => {
  const { asked, unit, ...options } = await machine()
  const state = await changeService('install', { https: '443', project: undefined }, options)
  expect(state).toMatchObject({ isOfUser: true, isInstalled: true, state: 'active', isEnabled: true })
  expect(state.notes.join()).toContain('ann lingers')
  const text = await readFile(unit('user'), 'utf8')
  expect(text).toMatch(/^ExecStart=\S+ \S+cli.cjs startFaas --https=443$/m)
  expect(text).toContain('Environment=RYO_FAAS_HOME=/home/ann/.ryo-faas\n')
  expect(asked.slice(0, 4)).toEqual([
    'systemctl --user daemon-reload',
    'loginctl enable-linger ann',
    'systemctl --user enable ryo-faas.service',
    'systemctl --user restart ryo-faas.service',
  ])
  expect(await changeService('uninstall', {}, options)).toMatchObject({ isInstalled: false, state: 'absent' })
  await expect(stat(unit('user'))).rejects.toMatchObject({ code: 'ENOENT' })
  expect(asked).toContain('systemctl --user disable --now ryo-faas.service')
})

test('root gets one of the machine, which starts with it', async () => {
  const { asked, unit, ...options } = await machine({ isRoot: true })
  await changeService('install', {}, options)
  expect(await readFile(unit('system'), 'utf8')).toContain('WantedBy=multi-user.target')
  expect(asked.join()).not.toMatch(/--user|linger/)
  expect((await changeService('status', {}, { ...options, home: '/other' })).notes.join()).toContain('another home')
})

test('without systemd, and when it refuses, it is said what to do', async () => {
  const bare = await machine({ isBooted: false })
  await expect(changeService('install', {}, bare)).rejects.toMatchObject({ code: 'UNSUPPORTED', hint: /crontab/ })
  const refusing = await machine({ run: async () => ({ code: 1, stdout: '', stderr: 'Access denied\n' }) })
  await expect(changeService('install', {}, refusing)).rejects.toMatchObject({
    code: 'PART_FAILED',
    message: 'systemctl daemon-reload: Access denied',
    hint: 'See: journalctl --user -u ryo-faas.service',
  })
  const leaving = await machine({
    run: async program => ({ code: program === 'loginctl' ? 1 : 0, stdout: '', stderr: '' }),
  })
  expect((await changeService('install', {}, leaving)).notes.join()).toContain('loginctl enable-linger ann')
})

test('words of systemd are quoted: spaces, specifiers and, in commands, variables', () => {
  const home = '/srv/100% $mine "x"'
  const text = unitText({ home, node: '/usr/bin/node', entry: '/opt/$x.cjs', flags: [], isOfUser: false })
  expect(text).toContain(String.raw`Environment="RYO_FAAS_HOME=/srv/100%% $mine \"x\""`)
  expect(text).toContain('ExecStop=/usr/bin/node "/opt/$$x.cjs" stopFaas')
})

test('an upgrade keeps the flags that it was installed with, and stops nothing; other flags start it again', async () => {
  const { asked, unit, ...options } = await machine()
  await expect(changeService('upgrade', {}, options)).rejects.toMatchObject({ hint: /service install/ })
  await changeService('install', { https: '443', trustProxy: '10.0.0.0/8' }, options)
  asked.length = 0
  await changeService('upgrade', {}, options)
  const flags = async () => flagsIn(await readFile(unit('user'), 'utf8'))
  expect((await flags()).sort()).toEqual(['--https=443', '--trust-proxy=10.0.0.0/8'])
  expect(asked).toContain('systemctl --user reload ryo-faas.service')
  expect(asked.join()).not.toContain('restart')
  await changeService('upgrade', { https: '8443' }, options)
  expect((await flags()).sort()).toEqual(['--https=8443', '--trust-proxy=10.0.0.0/8'])
  expect(asked.at(-3)).toBe('systemctl --user restart ryo-faas.service')
  await expect(changeService('upgrade', {}, { ...options, home: '/other' })).rejects.toMatchObject({
    code: 'INVALID_REQUEST',
  })
})

test('an upgrade starts what does not run', async () => {
  const run: System['run'] = async (_, args) => ({
    code: 0,
    stdout: args.includes('is-active') ? 'failed' : '',
    stderr: '',
  })
  const asked: string[] = []
  const { unit: _, ...options } = await machine()
  await changeService('install', {}, options)
  const system = {
    ...options.system,
    run: (...it: Parameters<typeof run>) => (asked.push(it[1].join(' ')), run(...it)),
  }
  await changeService('upgrade', {}, { ...options, system })
  expect(asked).toContain('--user restart ryo-faas.service')
})

test('flags are read from a unit as they were written', () => {
  const flags = ['--store=postgres://a b@h/d?x="1"', '--callback-allow=*.$x,100%', String.raw`--ca=C:\x`]
  for (const isOfUser of [true, false]) {
    expect(flagsIn(unitText({ home: '/h', node: '/a b/node', entry: '/startFaas.cjs', flags, isOfUser }))).toEqual(
      flags,
    )
  }
  expect(flagsIn('[Unit]')).toEqual([])
})
