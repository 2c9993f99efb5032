import { expect, test } from 'vitest'
import { ErrorBody } from './error-body.ts'

test('an unknown error of a newer agent keeps its message', () => {
  expect(ErrorBody.parse({ code: 'OF_TOMORROW', message: 'not today' })).toEqual({
    code: 'INTERNAL',
    message: 'not today',
  })
})
