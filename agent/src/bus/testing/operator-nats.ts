/** A nats-server whose accounts are made by an operator, with JWTs: users bring a `.creds` file. */
import { join } from 'node:path'
import { nkeys } from 'nats'
import { startNatsWith, type TestNats } from './nats-server.ts'

interface KeyPair {
  getPublicKey(): string
  getSeed(): Uint8Array
  sign(data: Uint8Array): Uint8Array
}
const { createOperator, createAccount, createUser } = nkeys as Record<
  'createOperator' | 'createAccount' | 'createUser',
  () => KeyPair
>

export interface OperatorNats {
  nats: TestNats
  /** Contents of a `.creds` file of a user of its account. */
  creds: string
  /** The same of a user whose account the server does not know. */
  strangersCreds: string
}

export async function startOperatorNats(): Promise<OperatorNats> {
  const [operator, system, account, stranger] = [createOperator(), createAccount(), createAccount(), createAccount()]
  const accountJwt = (subject: KeyPair) => {
    const limits = subject === system ? {} : JETSTREAM
    return jwt(operator, subject, { type: 'account', limits: { ...WITHOUT_LIMITS, ...limits } })
  }
  const nats = await startNatsWith(folder => [
    `jetstream { store_dir: ${JSON.stringify(join(folder, 'data'))} }`,
    `operator: ${jwt(operator, operator, { type: 'operator' })}`,
    `system_account: ${system.getPublicKey()}`,
    'resolver: MEMORY',
    `resolver_preload { ${[system, account].map(each => `${each.getPublicKey()}: ${accountJwt(each)}`).join('\n')} }`,
  ])
  return { nats, creds: credsOf(account), strangersCreds: credsOf(stranger) }
}

const WITHOUT_LIMITS = {
  ...{ subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 },
}
const JETSTREAM = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 }

function credsOf(account: KeyPair): string {
  const user = createUser()
  const token = jwt(account, user, { type: 'user', pub: {}, sub: {}, subs: -1, data: -1, payload: -1 })
  const seed = Buffer.from(user.getSeed()).toString()
  const block = (name: string, content: string) => `-----BEGIN ${name}-----\n${content}\n------END ${name}------\n`
  return block('NATS USER JWT', token) + block('USER NKEY SEED', seed)
}

/** Version 2 of NATS's JWTs. */
function jwt(issuer: KeyPair, subject: KeyPair, nats: { type: string } & Record<string, unknown>): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const sub = subject.getPublicKey()
  const claims = { jti: sub, iat: 0, iss: issuer.getPublicKey(), name: nats.type, sub, nats: { ...nats, version: 2 } }
  const signed = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part(claims)}`
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString('base64url')}`
}
