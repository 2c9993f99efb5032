import { expect, test } from 'vitest'
import { ErrorBody } from './errors.ts'

test('an error that only a newer agent knows is told by its message', () => {
  expect(ErrorBody.parse({ code: 'OF_TOMORROW', message: 'not today' })).toEqual({
    code: 'INTERNAL',
    message: 'not today',
  })
})
