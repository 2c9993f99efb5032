/**
 * A registry of the user's, as far as images are brought there (OCI distribution-spec): a content that it has is not
 * sent again. It asks for a password or for a token of its own, and gets what `docker login` wrote down.
 */
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
import { RyoFaasError } from '../../contract/index.ts'
import type { BlobStore, Descriptor } from './blob-store.ts'

export interface Credentials {
  username: string
  password: string
}

export interface RegistryOptions {
  /** `host[:port][/path]`, with `http://` in front where it has no encryption. */
  address: string
  environment: NodeJS.ProcessEnv
}

export interface PushedImage {
  manifest: Descriptor
  contents: Descriptor[]
  blobs: BlobStore
  /** Of this image from now on, whatever had it before. */
  tag?: string
}

type Answer = Awaited<ReturnType<typeof request>>
type Sent = { method: 'HEAD' | 'POST' | 'PUT'; type?: string; content?: Descriptor & { path: string } }

export class Registry {
  /** As references begin. */
  readonly address: string
  readonly #origin: string
  readonly #environment: NodeJS.ProcessEnv
  #authorization: string | undefined

  constructor({ address, environment }: RegistryOptions) {
    const [, scheme = 'https', rest = ''] = /^(?:(https?):\/\/)?(.*?)\/*$/.exec(address) ?? []
    this.address = rest
    this.#origin = `${scheme}://${this.host}`
    this.#environment = environment
  }

  get host(): string {
    return this.address.split('/')[0]!
  }

  /**
   * Brings an image there.
   * @param image `contents`: what the manifest names; `tag`: a name for people, besides its digest
   * @throws RyoFaasError REGISTRY_FAILED
   */
  async push(name: string, image: PushedImage): Promise<void> {
    const { manifest, contents, blobs, tag } = image
    const path = [...this.address.split('/').slice(1), name].join('/')
    const root = `${this.#origin}/v2/${path}`
    const isThere = await this.#has(`${root}/manifests/${manifest.digest}`, manifest.mediaType)
    if (isThere && tag === undefined) return
    const place = `${root}/manifests/${tag ?? manifest.digest}`
    const missing = isThere ? [] : contents
    for (const content of missing) {
      if (await this.#has(`${root}/blobs/${content.digest}`)) continue
      const { headers } = await this.#expect(`${root}/blobs/uploads/`, { method: 'POST' }, 202)
      const upload = new URL(String(headers['location']), `${this.#origin}/`)
      upload.searchParams.set('digest', content.digest)
      const sent = { ...content, path: blobs.pathOf(content.digest) }
      await this.#expect(upload.href, { method: 'PUT', type: 'application/octet-stream', content: sent }, 201)
    }
    const sent = { ...manifest, path: blobs.pathOf(manifest.digest) }
    await this.#expect(place, { method: 'PUT', type: manifest.mediaType, content: sent }, 201)
  }

  /** What `docker login` wrote down for it; undefined if nothing. */
  async credentials(): Promise<Credentials | undefined> {
    const folder = this.#environment['DOCKER_CONFIG'] ?? join(this.#environment['HOME'] ?? homedir(), '.docker')
    const text = await readFile(join(folder, 'config.json'), 'utf8').catch(() => '{}')
    const { auths = {} } = JSON.parse(text) as { auths?: Record<string, { auth?: string }> }
    const auth = (auths[this.host] ?? auths[`https://${this.host}`])?.auth
    const [, username, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(auth ?? '', 'base64').toString()) ?? []
    return username === undefined || password === undefined ? undefined : { username, password }
  }

  async #has(url: string, accept?: string): Promise<boolean> {
    const { statusCode } = await this.#send(url, { method: 'HEAD', ...(accept && { type: accept }) })
    if (statusCode === 200) return true
    if (statusCode === 404) return false
    throw this.#failed(`it answered ${statusCode} for ${new URL(url).pathname}`)
  }

  async #expect(url: string, sent: Sent, status: number): Promise<Answer> {
    const answer = await this.#send(url, sent)
    if (answer.statusCode === status) return answer
    throw this.#failed(`it answered ${answer.statusCode} to ${sent.method} ${new URL(url).pathname}`)
  }

  /** Its answer is read. */
  async #send(url: string, sent: Sent, isAgain = false): Promise<Answer> {
    const { method, type, content } = sent
    try {
      const answer = await request(url, {
        method,
        headers: {
          ...(this.#authorization !== undefined && { authorization: this.#authorization }),
          ...(type !== undefined && { [method === 'HEAD' ? 'accept' : 'content-type']: type }),
          'content-length': String(content?.size ?? 0),
        },
        ...(content !== undefined && { body: createReadStream(content.path) }),
      })
      await answer.body.dump()
      if (answer.statusCode !== 401 || isAgain) return answer
      await this.#authorize(String(answer.headers['www-authenticate']))
    } catch (error) {
      if (error instanceof RyoFaasError) throw error
      throw this.#failed((error as Error).message, error)
    }
    return this.#send(url, sent, true)
  }

  /** @param challenge `Basic realm="…"`, or `Bearer realm="https://…",service="…",scope="…"` */
  async #authorize(challenge: string): Promise<void> {
    const credentials = await this.credentials()
    const basic =
      credentials && `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`
    if (!/^bearer /i.test(challenge)) {
      this.#authorization = basic
      return
    }
    const fields = Object.fromEntries(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value] as [string, string]),
    )
    const url = new URL(fields['realm'] ?? '')
    for (const name of ['service', 'scope']) if (fields[name] !== undefined) url.searchParams.set(name, fields[name])
    const { body, statusCode } = await request(url, { headers: basic === undefined ? {} : { authorization: basic } })
    const answer = (await body.json()) as { token?: string; access_token?: string }
    const token = answer.token ?? answer.access_token
    if (token === undefined) throw this.#failed(`it gives no token (${statusCode} of ${url.host})`)
    this.#authorization = `Bearer ${token}`
  }

  #failed(why: string, cause?: unknown): RyoFaasError {
    return new RyoFaasError('REGISTRY_FAILED', `the registry ${this.host} does not take images: ${why}`, {
      hint: 'Check --registry, and log in to it with docker login.',
      ...(cause !== undefined && { cause }),
    })
  }
}
