/**
 * Scrapes all parts concurrently. Invariants: 1. it is done after `timeoutMs`, whichever part hangs. 2. a part that
 * does not respond, or sends too much, is left out and reported as `faas_scrape_up` 0.
 */
import pLimit from 'p-limit'
import { ListenerClient } from '../../client/index.ts'
import { RyoFaasError } from '../../contract/index.ts'
import { CONTENT_TYPES, escapeLabel, labelText, type Format } from './exposition.ts'
import { mergePages, type Page } from './merge-pages.ts'

export interface Target {
  /** `proxy`, `store`, `dispatcher`, `function` … */
  part: string
  url: string
  /** The operator's token, for a part that needs it; it has to prove itself first. */
  token?: string
  /** With which an instance is asked. */
  proof?: Record<string, string>
  /** For a function: which one, and which instance of it. */
  function?: { name: string; instance: string }
}

export interface ScraperOptions {
  /** The agent's own page. */
  own: () => Promise<string>
  targets: () => Promise<readonly Target[]>
  timeoutMs?: number
}

interface Scraped {
  target: Target
  text: string | undefined
  seconds: number
}

const TIMEOUT_MS = 1_000
const MAX_CONCURRENT = 16
const MAX_PAGE_BYTES = 4 * 1024 * 1024

export class Scraper {
  readonly #options: ScraperOptions

  constructor(options: ScraperOptions) {
    this.#options = options
  }

  async page(format: Format = 'prometheus'): Promise<{ contentType: string; body: string }> {
    const scrape = pLimit(MAX_CONCURRENT)
    const targets = await this.#options.targets()
    // One deadline for all, so that several hanging parts do not add up.
    const deadline = AbortSignal.timeout(this.#options.timeoutMs ?? TIMEOUT_MS)
    const [own, ...scraped] = await Promise.all([
      this.#options.own(),
      ...targets.map(target => scrape(() => scrapeOne(target, format, deadline))),
    ])
    const pages: Page[] = scraped.flatMap(({ target, text }) =>
      text === undefined ? [] : [{ labels: { part: target.part, ...instanceOf(target) }, text }],
    )
    const all = [{ labels: { part: 'agent' }, text: own }, ...pages, { labels: {}, text: scrapeFamilies(scraped) }]
    return { contentType: CONTENT_TYPES[format], body: mergePages(all, format) }
  }
}

/** A page of metrics as text; `undefined` if it does not arrive in time. */
export async function fetchPage(
  { part, url, token, proof }: Target,
  signal: AbortSignal,
  format: Format = 'prometheus',
): Promise<string | undefined> {
  try {
    const headers = { accept: CONTENT_TYPES[format] }
    const response =
      token === undefined
        ? await fetch(url, { signal, redirect: 'error', headers: { ...headers, ...proof } })
        : await askAsOperator({ part, url, token }, { headers, signal })
    if (!response.ok || !response.body) return undefined
    const pieces: Uint8Array[] = []
    let bytes = 0
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
      pieces.push(piece)
      if ((bytes += piece.length) > MAX_PAGE_BYTES) return undefined
    }
    return Buffer.concat(pieces).toString()
  } catch {
    return undefined // Not running or hanging; the caller reports it.
  }
}

function askAsOperator(
  { part, url, token }: { part: string; url: string; token: string },
  { headers, signal }: { headers: Record<string, string>; signal: AbortSignal },
): Promise<Response> {
  const { origin, pathname } = new URL(url)
  const unreachable = (message: string, cause: unknown) => new RyoFaasError('NOT_RUNNING', message, { cause })
  const listener = new ListenerClient({ url: origin, token, name: part, unreachable })
  return listener.send('GET', pathname, { headers: { ...headers, connection: 'close' }, signal })
}

async function scrapeOne(target: Target, format: Format, signal: AbortSignal): Promise<Scraped> {
  const begin = performance.now()
  const text = await fetchPage(target, signal, format)
  return { target, text, seconds: (performance.now() - begin) / 1000 }
}

function instanceOf({ function: called }: Target): Record<string, string> {
  return called === undefined ? {} : { faas_instance: called.instance }
}

function scrapeFamilies(scraped: readonly Scraped[]): string {
  const labels = ({ part, function: called }: Target) =>
    labelText({
      ...(called && { faas_name: escapeLabel(called.name), faas_instance: escapeLabel(called.instance) }),
      part: escapeLabel(part),
    })
  return [
    '# HELP faas_scrape_up 1 if the part answered with its metrics.',
    '# TYPE faas_scrape_up gauge',
    ...scraped.map(({ target, text }) => `faas_scrape_up${labels(target)} ${text === undefined ? 0 : 1}`),
    '# HELP faas_scrape_duration_seconds How long the part took to answer.',
    '# TYPE faas_scrape_duration_seconds gauge',
    ...scraped.map(({ target, seconds }) => `faas_scrape_duration_seconds${labels(target)} ${seconds.toFixed(6)}`),
  ].join('\n')
}
