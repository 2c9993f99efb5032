import { expect, test } from 'vitest'
import { patiently, translateSwarmError } from './swarm-errors.ts'

const lost = new Error('rpc error: code = Unknown desc = raft: failed to process the request: node lost leader status')
const busy = new Error('starting container failed: unable to remount dir as readonly: device or resource busy')
const taken = new Error('starting container failed: Address already in use')
const refused = new Error('no space left on device')

/** What `patiently` makes of failures, one for each time it is done. */
async function done(failures: (Error | undefined)[], signal = new AbortController().signal) {
  const left = [...failures]
  const ran = patiently(() => {
    const failure = left.shift()
    if (failure !== undefined) throw failure
    return Promise.resolve('started')
  }, signal)
  return { outcome: await ran.catch((error: Error) => error.message), left: left.length }
}

const translated = (error: Error) => translateSwarmError(error, 'starting it')

test('what fails because the managers have no leader or a machine is busy is done again, and nothing else', async () => {
  expect(await done([translated(lost), lost, busy, translated(taken), undefined])).toEqual({
    outcome: 'started',
    left: 0,
  })
  expect(await done([translated(refused), undefined])).toEqual({
    outcome: 'starting it: no space left on device',
    left: 1,
  })
  expect(await done([translated(lost), undefined], AbortSignal.abort())).toEqual({
    ...{ outcome: "Docker's managers have not chosen a leader yet", left: 1 },
  })
})
