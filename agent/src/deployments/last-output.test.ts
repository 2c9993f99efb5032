import { describe, expect, it } from 'vitest'
import { tellingLines } from './last-output.ts'

const frames = (count: number, place: string) =>
  Array.from({ length: count }, (_, n) => `    at load${n} (${place}/x.js:${n}:1)`)
const advice = (count: number) => Array.from({ length: count }, (_, n) => `  - advice ${n}`)
const cause = '  [cause]: Error: librt.so.1: cannot open shared object file: No such file or directory'

describe('the output of an instance that did not start', () => {
  it('is shown whole if it is short, with every frame', () => {
    const lines = ['Error: no', ...frames(20, '/app/node_modules/sharp')]
    expect(tellingLines(lines)).toEqual(lines)
  })

  it('keeps the cause and the frames of the function, however long stacks are', () => {
    const lines = [
      'Error: cannot load',
      ...frames(30, 'node:internal/modules'),
      ...frames(2, '/app'),
      cause,
      ...frames(60, '/app/node_modules/a'),
    ]
    expect(tellingLines(lines)).toEqual(['Error: cannot load', ...frames(2, '/app'), cause])
  })

  it('keeps the cause between a lot of output and a lot of advice, and stays bounded', () => {
    const printed = Array.from({ length: 100 }, (_, n) => `progress ${n}`)
    const shown = tellingLines([...printed, 'Error: cannot load', cause, ...advice(50), 'Node.js v24'])
    expect(shown).toContain(cause)
    expect(shown.at(-1)).toBe('Node.js v24')
    expect(shown.length).toBeLessThan(50)
  })
})
