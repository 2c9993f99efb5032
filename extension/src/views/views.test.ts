import { expect, test } from 'vitest'
import type { LinkState } from '../agent/platform-link.ts'
import { deploymentView, platformView } from '../testing/views-of-platform.ts'
import { callNodes } from './calls-view.ts'
import { functionNodes, type FunctionsState } from './functions-view.ts'
import type { TreeNode } from '../tree/node.ts'
import { platformNodes } from './platform-view.ts'
import { environmentText, serverText, statusText } from './status-item.ts'

const now = Date.parse('2026-01-02T01:00:00Z')
const connected = (more: Partial<Extract<LinkState, { kind: 'connected' }>> = {}): LinkState => ({
  kind: 'connected',
  token: 'token',
  platform: platformView(),
  deployments: [deploymentView()],
  ...more,
})
const functions = (link: LinkState, more: Partial<FunctionsState> = {}) =>
  functionNodes({ link, activityOf: () => undefined, isOpen: () => true, dockerMissing: undefined, now, ...more })
const draw = (nodes: TreeNode[], indent = ''): string[] =>
  nodes.flatMap(node => [
    `${indent}${node.label}${node.description === undefined ? '' : ` (${node.description})`}`,
    ...draw(node.children ?? [], `${indent}  `),
  ])

test('functions are grouped by kind, with what one wants to know of each', () => {
  const deployments = [
    deploymentView(),
    deploymentView({ name: 'Job', route: 'job', kind: 'async', state: 'failing', desiredInstances: 2, errors: 3 }),
  ]
  expect(draw(functions(connected({ deployments })))).toEqual([
    'HTTP (1)',
    '  Hello (v3 · 12 calls)',
    '    http://127.0.0.1:9999/functions/hello',
    '    a1 (v3 · ready · since 1 d ago)',
    '    Versions (2)',
    '      v3 (serving · 1 h ago)',
    '      v2 (1 d ago)',
    'Async (1)',
    '  Job (v3 · failing · 1/2 instances · 12 calls · 3 failed)',
    '    http://127.0.0.1:9999/functions/hello',
    '    a1 (v3 · ready · since 1 d ago)',
    '    Versions (2)',
    '      v3 (serving · 1 h ago)',
    '      v2 (1 d ago)',
  ])
})

test('a function shows its schedules, and which of them are paused', () => {
  const schedule = { cron: '0 9 * * *', zone: 'UTC', missed: 'once', overlap: 'skip', path: '/' } as const
  const start = { epoch: 1, from: { kind: 'time', time: '2026-01-01T00:00:00Z' } } as const
  const at = { kind: 'schedule', start, nextAt: '2026-01-02T09:00:00Z' } as const
  const triggers = [
    { ...at, key: 'a', schedule, label: '0 9 * * *' },
    { ...at, key: 'b', schedule, label: 'report', isPaused: true },
  ]
  const [group] = functions(connected({ deployments: [deploymentView({ triggers })] }))
  expect(draw(group!.children!).slice(2, 4)).toEqual([
    `  0 9 * * * (next ${new Date(at.nextAt).toLocaleString()})`,
    '  report (paused)',
  ])
  expect(group!.children![0]!.children!.slice(1, 3)).toMatchObject([
    { context: 'schedule.waiting', subject: { kind: 'schedule', name: 'Hello', key: 'a' } },
    { context: 'schedule.paused', subject: { kind: 'schedule', name: 'Hello', key: 'b' } },
  ])
})

test('a function shows what it runs for', () => {
  const start = { epoch: 1, from: { kind: 'time', time: '2026-01-01T00:00:00Z' } } as const
  const triggers = [
    { key: 'on', start, filters: [{ table: 'orders', events: ['new-doc' as const] }] },
    { kind: 'event' as const, key: 'on', start, filters: [{ kind: 'event' as const, type: 'com.example.*' }] },
    {
      ...{ kind: 'nats' as const, key: 'on', start },
      filters: [{ kind: 'nats' as const, server: 'SERVER', subject: 'orders.>', durable: 'ours' }],
    },
  ]
  const [group] = functions(connected({ deployments: [deploymentView({ triggers })] }))
  expect(draw(group!.children!).slice(2, 5)).toEqual([
    '  orders: new-doc',
    '  com.example.*',
    '  NATS orders.> at SERVER, durable ours',
  ])
})

test('functions of projects that are not open say which they are from', () => {
  const deployments = [
    deploymentView({ deployFile: '/shop/deploy.json', filePath: '/shop/src/hello.ts' }),
    deploymentView({ name: 'Job', deployFile: '/blog/deploy.json', state: 'degraded' }),
  ]
  const [group] = functions(connected({ deployments }), { isOpen: path => path === '/w/hello.ts' })
  expect(group!.children!.map(({ description }) => description)).toEqual([
    'v3 · shop · 12 calls',
    'v3 · degraded · 12 calls',
  ])
  expect(group!.children![0]!.tooltip).toContain('/shop/src/hello.ts')
})

test('a function that sleeps says so, and not how many of its instances are missing', () => {
  const asleep = deploymentView({ state: 'asleep', desiredInstances: 0, instances: [] })
  const [group] = functions(connected({ deployments: [asleep] }))
  expect(group!.children![0]).toMatchObject({ description: 'v3 · asleep · 12 calls', icon: { name: 'debug-pause' } })
})

test('ids of nodes are unique', () => {
  const ids: string[] = []
  const collect = (nodes: TreeNode[]): void => nodes.forEach(node => (ids.push(node.id), collect(node.children ?? [])))
  collect(functions(connected({ deployments: [deploymentView(), deploymentView({ name: 'Other', instances: [] })] })))
  expect(new Set(ids).size).toBe(ids.length)
})

test('why an instance died is shown and leads to the log', () => {
  const lastExit = { at: '2026-01-02T00:55:00Z', code: 1, reason: 'exited with 1' }
  const [group] = functions(connected({ deployments: [deploymentView({ lastExit })] }))
  const exit = group!.children![0]!.children!.find(({ label }) => label === 'exited with 1')
  expect([exit?.description, exit?.command?.id]).toEqual(['last exit, 5 min ago', 'ryo-faas.logs'])
})

test('without a platform there is nothing, unless Docker was missing', () => {
  expect(functions({ kind: 'absent' })).toEqual([])
  expect(draw(functions({ kind: 'absent' }, { dockerMissing: 'tried unix:///x' }))).toEqual([
    'Docker is not responding (tried unix:///x)',
    'Run without containers',
    'Try again',
    'Change the settings',
  ])
})

test('the platform shows its parts, and what is wrong with one', () => {
  expect(draw(platformNodes(connected()))).toEqual([
    'rfa (as processes, without isolation)',
    'agent (127.0.0.1:9998)',
    'dispatcher-2 (failing · restarted 2 times)',
  ])
  // Of whatever name: how it is drawn, the engine says.
  const contained = platformView({ engine: 'pods', isolation: { label: 'in pods' }, parts: [] })
  const [head] = platformNodes(connected({ platform: contained }))
  expect([head!.description, head!.icon?.name]).toEqual(['in pods', 'package'])
  expect(statusText(connected({ platform: contained }))?.tooltip).toMatch(/, in pods$/)
  const starting = platformView({ phase: { kind: 'starting', doing: 'starting NATS' } })
  expect(draw(platformNodes(connected({ platform: starting })))[0]).toBe('rfa (starting NATS)')
})

test('of several agents, tree and status bar show who leads', () => {
  const agent = { version: '1.0.0', isThis: false, address: '10.0.0.1:9990' }
  const agents = [
    { ...agent, name: 'm1', role: 'leads' as const },
    { ...agent, name: 'm2', role: 'stands-by' as const, isThis: true },
  ]
  const shared = platformView({ parts: [], cluster: { role: 'stands-by', agents } })
  expect(draw(platformNodes(connected({ platform: shared }))).slice(1)).toEqual([
    'm1 (leads)',
    'm2 (stands by · this one)',
  ])
  expect(statusText(connected({ platform: shared }))?.tooltip).toBe(
    'ryo-faas is running on several machines, as processes, without isolation\nthe agent on m1 leads, 1 agent stands by',
  )
  const alone = platformView({ parts: [], cluster: { role: 'leads', agents: agents.slice(0, 1) } })
  expect(statusText(connected({ platform: alone }))?.tooltip).toMatch(/at http.*\n.* m1 leads, none stands by$/)
  const nobody = platformView({ parts: [], cluster: { role: 'stands-by', agents: agents.slice(1) } })
  expect(statusText(connected({ platform: nobody }))?.tooltip).toContain('no agent leads')
})

test('the environment is shown where there is one to choose', () => {
  expect(environmentText(undefined, [])).toBeUndefined()
  expect(environmentText(undefined, ['staging'])?.text).toBe('$(server-environment) no environment')
  expect(environmentText('staging', [])?.text).toBe('$(server-environment) staging')
})

test('while the agent is away, what was known last stays', () => {
  const last = { token: 'token', platform: platformView(), deployments: [deploymentView()] }
  expect(draw(platformNodes({ kind: 'away', last }))[0]).toContain('The agent is not responding')
  expect(draw(functions({ kind: 'away', last }))[1]).toContain('Hello')
})

test('calls are listed by what becomes of them', () => {
  const call = { function: 'job', acceptedAt: '2026-01-02T00:59:30Z', attempts: [] }
  const lists = {
    queued: [{ ...call, id: 'a', status: 'queued' as const }],
    running: [],
    dead: [
      {
        ...call,
        id: 'b',
        status: 'dead' as const,
        attempts: [{ number: 1, startedAt: '2026-01-02T00:59:30Z' }],
        error: { code: 'E', message: 'm' },
      },
    ],
  }
  expect(draw(callNodes(lists, now))).toEqual([
    'Queued (1)',
    '  job (just now)',
    'Dead (1)',
    '  job (just now · 1 attempt · E)',
  ])
})

test('the status bar says what there is to know', () => {
  expect(statusText({ kind: 'unknown' })).toBeUndefined()
  expect(statusText({ kind: 'absent' })?.command).toBe('ryo-faas.startFaas')
  expect(statusText({ kind: 'away', last: undefined })?.isWarning).toBe(true)
  const well = platformView({ parts: [] })
  expect(statusText(connected({ platform: well }))?.text).toBe('$(rocket) FaaS: 1 function')
  expect(statusText(connected())?.text).toBe('$(warning) FaaS: dispatcher-2 failing')
})

test('the server that is chosen is said, and that the way there is lost', () => {
  expect([serverText(undefined, false), serverText(undefined, true)?.text]).toEqual([undefined, '$(vm) this machine'])
  expect(serverText('shop', true)?.tooltip).toContain('the server shop')
  expect(statusText(connected({ server: 'shop' }))?.tooltip).toContain('on the server shop')
  expect(statusText({ kind: 'connecting', server: 'shop' })?.text).toBe('$(sync~spin) FaaS: shop')
  const away: LinkState = { kind: 'away', last: undefined, server: 'shop', why: 'Permission denied' }
  expect(statusText(away)).toMatchObject({ text: '$(debug-disconnect) FaaS: shop', command: 'ryo-faas.reconnect' })
  expect(statusText(away)!.tooltip).toContain('Permission denied')
  expect(draw(platformNodes(away))).toEqual(['shop does not answer (Permission denied)'])
  expect(draw(platformNodes(connected({ server: 'shop' })))[0]).toMatch(/^shop /)
})

test('a part is read out with all that its row says', () => {
  const spoken = platformNodes(connected()).map(node => node.spoken)
  expect(spoken).toContain('dispatcher-2, failing, restarted 2 times')
  expect(spoken).toContain('agent, running, 127.0.0.1:9998')
})
