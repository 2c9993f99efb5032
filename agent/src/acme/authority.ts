/**
 * A certificate authority that speaks ACME (RFC 8555), through `acme-client`, which is loaded only where ACME is asked for.
 *
 * Invariants: 1. A key is on disk before the authority hears of it: after a crash the account is the same, and what was
 * issued fits its key. 2. An order is on disk with its key: the next attempt goes on with it, so that no attempt that was
 * cut off costs a certificate of the authority's allowance.
 */
import { X509Certificate, createPrivateKey } from 'node:crypto'
import https from 'node:https'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { rm } from 'node:fs/promises'
import { rootCertificates } from 'node:tls'
import * as acme from 'acme-client'
import { z } from 'zod'
import { readIfPresent, writeDurably } from '../host/index.ts'
import { withAnswer, type ChallengeKind } from './answers.ts'

export interface AuthorityOptions {
  directoryUrl: string
  /** Where the authority writes to if something is wrong. */
  email: string
  /** JSON that ties the account to a customer of the authority (RFC 8555 §7.3.4): `{kid, hmacKey}`. */
  bindingFile?: string | undefined
  /** Certificates of authorities in addition to the public ones that its HTTPS is trusted with, as PEM. */
  trusted: string
  /** Of this authority. */
  folder: string
  /** Where the front looks for answers to challenges. */
  answers: string
}

const REQUEST_MS = 30_000
const FIRST_POLL_MS = 500
const LAST_POLL_MS = 10_000
const MOST_POLLS = 20
/** Of a request that failed for the network or the authority; then the attempt has failed. */
const REQUEST_RETRIES = 2

const Account = z.object({ key: z.string().min(1) })
const Binding = z.object({ kid: z.string().min(1), hmacKey: z.string().regex(/^[A-Za-z0-9_-]+$/) })
const PendingOrder = z.object({ url: z.string().min(1), key: z.string().min(1) })

/** Remembers why a connection failed: of requests without an answer `acme-client` says nothing. */
class Connections extends https.Agent {
  problem: string | undefined

  override createConnection(...args: Parameters<https.Agent['createConnection']>) {
    const socket = super.createConnection(...args) as Socket
    socket.once('error', (error: NodeJS.ErrnoException) => (this.problem = error.message || error.code))
    return socket
  }
}

export class Authority {
  readonly #options: AuthorityOptions
  readonly #client: acme.Client

  private constructor(options: AuthorityOptions, client: acme.Client) {
    this.#options = options
    this.#client = client
  }

  /**
   * Registers the account, or finds the one of this home again, and does something with it.
   * @throws an error with what the authority said, or why it did not
   */
  static async with<T>(options: AuthorityOptions, use: (authority: Authority) => Promise<T>): Promise<T> {
    const connections = new Connections({ ca: [...rootCertificates, options.trusted] })
    acme.axios.defaults.httpsAgent = connections
    try {
      return await use(await Authority.#open(options))
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      throw new Error(`the authority did not answer: ${connections.problem ?? 'it took too long'}`, { cause: error })
    } finally {
      connections.destroy()
    }
  }

  static async #open(options: AuthorityOptions): Promise<Authority> {
    const { folder, directoryUrl, email, bindingFile } = options
    acme.axios.defaults.timeout = REQUEST_MS
    Object.assign(acme.axios.defaults, { acmeSettings: { retryMaxAttempts: REQUEST_RETRIES, retryDefaultDelay: 2 } })
    const file = join(folder, 'account.json')
    let key = (await readAs(file, Account))?.key
    if (key === undefined) {
      key = (await acme.crypto.createPrivateEcdsaKey()).toString()
      await writeDurably(file, JSON.stringify({ key }))
    }
    const polls = { backoffAttempts: MOST_POLLS, backoffMin: FIRST_POLL_MS, backoffMax: LAST_POLL_MS }
    const externalAccountBinding = bindingFile === undefined ? undefined : await bindingFrom(bindingFile)
    const client = new acme.Client({
      ...{ directoryUrl, accountKey: key, ...polls },
      ...(externalAccountBinding && { externalAccountBinding }),
    })
    await client.createAccount({ termsOfServiceAgreed: true, contact: [`mailto:${email}`] })
    return new Authority(options, client)
  }

  /**
   * Gets a certificate for one name.
   * @returns it with its chain and its key, as PEM
   * @throws an error with what the authority said
   */
  async certificateFor(domain: string, kind: ChallengeKind): Promise<string> {
    const file = join(this.#options.folder, 'orders', `${domain}.json`)
    const { order, key } = await this.#order(domain, file)
    try {
      const ready = order.status === 'pending' ? await this.#prove(order, kind) : order
      const final = ready.status === 'ready' ? await this.#finalize(ready, { domain, key }) : ready
      const chain = await this.#client.getCertificate(final)
      const pem = `${key.trim()}\n${chain}`
      const problem = problemOf(pem, domain)
      if (problem === undefined) return pem
      await rm(file, { force: true })
      throw new Error(problem)
    } catch (error) {
      // An authorization that failed cannot be used again.
      const { status } = await this.#client.getOrder(order).catch(() => order)
      if (status === 'invalid') await rm(file, { force: true })
      throw error
    }
  }

  /** Once the certificate is where it belongs. */
  async forgetOrder(domain: string): Promise<void> {
    await rm(join(this.#options.folder, 'orders', `${domain}.json`), { force: true })
  }

  async #order(domain: string, file: string): Promise<{ order: acme.Order; key: string }> {
    const pending = await readAs(file, PendingOrder)
    if (pending !== undefined) {
      const order = await this.#client.getOrder({ url: pending.url } as acme.Order).catch(() => undefined)
      const isAlive = order?.expires === undefined || Date.parse(order.expires) > Date.now()
      if (order !== undefined && order.status !== 'invalid' && isAlive) return { order, key: pending.key }
    }
    const key = (await acme.crypto.createPrivateEcdsaKey()).toString()
    const order = await this.#client.createOrder({ identifiers: [{ type: 'dns', value: domain }] })
    await writeDurably(file, JSON.stringify({ url: order.url, key }))
    return { order, key }
  }

  /** Shows that the name leads to this machine. @returns the order, ready to be finalized */
  async #prove(order: acme.Order, kind: ChallengeKind): Promise<acme.Order> {
    const client = this.#client
    for (const authorization of await client.getAuthorizations(order)) {
      if (authorization.status === 'valid') continue
      const challenge = authorization.challenges.find(({ type }) => type === kind)
      if (challenge === undefined) throw new Error(`the authority does not offer ${kind}`)
      const proof = await client.getChallengeKeyAuthorization(challenge)
      const domain = authorization.identifier.value
      const content =
        kind === 'http-01' ? proof : (await acme.crypto.createAlpnCertificate(authorization, proof)).join('\n')
      await withAnswer(this.#options.answers, { kind, token: challenge.token, domain, content }, async () => {
        // Of one that is being looked at, the result is all that is left to wait for.
        if (challenge.status === 'pending') await client.completeChallenge(challenge)
        await client.waitForValidStatus(challenge)
      })
    }
    return { ...(await client.waitForValidStatus(order)), url: order.url }
  }

  async #finalize(order: acme.Order, { domain, key }: { domain: string; key: string }): Promise<acme.Order> {
    const [, request] = await acme.crypto.createCsr({ altNames: [domain] }, key)
    return this.#client.finalizeOrder(order, request)
  }
}

/** Whether it is for the name, with the key in it. */
function problemOf(pem: string, domain: string): string | undefined {
  const certificate = new X509Certificate(pem)
  if (certificate.checkHost(domain) === undefined) return 'the authority issued a certificate for another name'
  if (!certificate.checkPrivateKey(createPrivateKey(pem))) return 'the authority issued a certificate for another key'
  return undefined
}

/** @throws an error that names the file, and nothing of what is in it */
async function bindingFrom(file: string): Promise<z.infer<typeof Binding>> {
  const binding = await readAs(file, Binding)
  if (binding === undefined) throw new Error(`${file} must be {"kid": …, "hmacKey": …}, the key in base64url`)
  return binding
}

/** @returns undefined for a file that is missing or cannot be used: there will be a new one */
async function readAs<T extends z.ZodType>(file: string, schema: T): Promise<z.infer<T> | undefined> {
  const text = await readIfPresent(file)
  if (text === undefined) return undefined
  try {
    return schema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}
