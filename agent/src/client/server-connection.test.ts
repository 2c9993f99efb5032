/** Which server a command is for. */
import { expect, test } from 'vitest'
import { chosenServer } from './server-connection.ts'

const HOME = '/nowhere'
const RYO_FAAS_SERVER_TOKEN = 'ryotoken_x'
const chosen = (environment: NodeJS.ProcessEnv, server?: string) => chosenServer({ home: HOME, environment, server })

test('an address with a token is a server without being added', async () => {
  const RYO_FAAS_SERVER = 'https://faas.example/some/path'
  expect(await chosen({ RYO_FAAS_SERVER, RYO_FAAS_SERVER_TOKEN: ` ${RYO_FAAS_SERVER_TOKEN}\n` })).toMatchObject({
    name: 'https://faas.example',
    server: { kind: 'https', url: 'https://faas.example', token: RYO_FAAS_SERVER_TOKEN },
  })
  expect(await chosen({ RYO_FAAS_SERVER, RYO_FAAS_SERVER_TOKEN }, 'local')).toBeUndefined()
})

test.each(['http://127.0.0.1:9998', 'http://localhost:9998', 'http://[::1]:9998'])(
  'where a tunnel begins, %s needs no encryption',
  async server => {
    expect(await chosen({ RYO_FAAS_SERVER_TOKEN }, server)).toMatchObject({ server: { url: server } })
  },
)

test.each(['http://faas.example', 'http://127.0.0.1.example:9998', 'ftp://127.0.0.1', 'https://', '://'])(
  'no token goes to %s',
  async server => {
    const refused = { code: 'INVALID_OPTION', hint: expect.stringContaining('https://') as string }
    await expect(chosen({ RYO_FAAS_SERVER_TOKEN }, server)).rejects.toMatchObject(refused)
  },
)

test('without a token, the message says where one comes from', async () => {
  for (const environment of [{}, { RYO_FAAS_SERVER_TOKEN: ' \n' }]) {
    await expect(chosen(environment, 'https://faas.example')).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: 'there is no token for https://faas.example',
      hint: expect.stringContaining('token create') as string,
    })
  }
})
