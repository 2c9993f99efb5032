import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { RyoFaasError, type FurtherProxy } from '../../contract/index.ts'
import type { Command, Context } from '../context.ts'

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/
const MIN_KEY_LENGTH = 32
const NATS_FILES = {
  'nats-creds': 'Credentials file for NATS (.creds), in place of a user and password in the URL',
  'nats-ca': 'File with the certificates of the authority of NATS (PEM), if it is no public one',
  'nats-cert': 'File with the certificate that is shown to NATS (PEM)',
  'nats-key': 'File with the key of --nats-cert (PEM)',
} as const

export const proxy: Command = {
  usage: 'proxy',
  describe: 'Run a further proxy of a platform on this machine, until Ctrl-C',
  place: 'here',
  examples: [
    ['proxy --nats-url nats://10.0.0.1:4222 --key-file ./proxy-key --host 0.0.0.0', 'serve functions on port 9999'],
    ['proxy --name edge-1 --advertise 203.0.113.7:80', 'as others see it; URL and key from the environment'],
  ],
  endsItself: true,
  options: yargs =>
    yargs
      .option('nats-url', {
        type: 'string',
        nargs: 1,
        describe: 'NATS of the platform; with a password only in RYO_FAAS_NATS_URL',
      })
      .option('project', {
        type: 'string',
        nargs: 1,
        describe: 'Project of the platform, if it was started with --nats-url too',
      })
      .options(
        Object.fromEntries(
          Object.entries(NATS_FILES).map(([flag, describe]) => [flag, { type: 'string', nargs: 1, describe } as const]),
        ),
      )
      .option('key-file', {
        type: 'string',
        nargs: 1,
        describe:
          'File with the key of the platform: a copy of proxy-key in its RYO_FAAS_HOME; or in RYO_FAAS_PROXY_KEY',
      })
      .option('name', {
        type: 'string',
        nargs: 1,
        describe: 'Name of this proxy, unlike all others; default: that of the machine',
      })
      .option('host', { type: 'string', nargs: 1, default: '127.0.0.1', describe: 'Address it listens on' })
      .option('port', { type: 'number', nargs: 1, default: 9999, describe: 'Port it listens on (0: any free port)' })
      .option('advertise', {
        type: 'string',
        nargs: 1,
        describe: 'Address and port by which others reach it, for lists',
      })
      .option('trust-proxy', {
        type: 'string',
        nargs: 1,
        default: 'none',
        describe: 'Reverse proxies whose X-Forwarded-* headers are trusted: addresses or networks, separated by commas',
      })
      .option('proxy-workers', { type: 'number', nargs: 1, default: 1, describe: 'Processes that share the port' }),
  run: async (args, context) => {
    const name = nameOf(args)
    await context.runProxy(
      {
        name,
        nats: natsOf(args, context),
        project: args['project'] as string | undefined,
        key: await keyOf(args, context),
        host: args['host'] as string,
        port: args['port'] as number,
        advertise: args['advertise'] as string | undefined,
        trustProxy: args['trustProxy'] as string,
        workers: args['proxyWorkers'] as number,
      },
      ({ address }) => {
        context.output.value({ name, address })
        context.output.line(`the proxy ${name} serves at http://${address}`)
      },
    )
  },
}

function nameOf(args: Record<string, unknown>): string {
  const own = hostname()
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
  const name = (args['name'] as string | undefined) ?? own
  if (NAME.test(name) && name !== 'local') return name
  throw invalid(`--name ${JSON.stringify(name)} must be lower case letters, digits and dashes, and not "local"`)
}

/** Flags over variables, as with `startFaas`. */
function natsOf(args: Record<string, unknown>, context: Context): FurtherProxy['nats'] {
  const file = (name: 'natsCreds' | 'natsCa' | 'natsCert' | 'natsKey', variable: string) => {
    const path = (args[name] as string | undefined) ?? (context.environment[variable] || 'none')
    return path === 'none' ? path : resolve(context.cwd, path)
  }
  return {
    natsUrl: urlOf(args, context),
    natsCreds: file('natsCreds', 'RYO_FAAS_NATS_CREDS'),
    natsCa: file('natsCa', 'RYO_FAAS_NATS_CA'),
    natsCert: file('natsCert', 'RYO_FAAS_NATS_CERT'),
    natsKey: file('natsKey', 'RYO_FAAS_NATS_KEY'),
  }
}

function urlOf(args: Record<string, unknown>, { environment }: Context): string {
  const flag = args['natsUrl'] as string | undefined
  const url = flag ?? environment['RYO_FAAS_NATS_URL']
  if (url === undefined || url === '') {
    throw invalid('a proxy needs the URL of the NATS of its platform', 'Set it with --nats-url or RYO_FAAS_NATS_URL.')
  }
  if (flag !== undefined && /\/\/[^/]*@/.test(flag)) {
    throw invalid('a password in --nats-url could be seen by all on this machine', 'Set RYO_FAAS_NATS_URL instead.')
  }
  return url
}

async function keyOf(args: Record<string, unknown>, { environment, cwd }: Context): Promise<string> {
  const path = args['keyFile'] as string | undefined
  const given = path === undefined ? environment['RYO_FAAS_PROXY_KEY'] : await readKey(resolve(cwd, path))
  const key = given?.trim() ?? ''
  if (key.length >= MIN_KEY_LENGTH) return key
  throw invalid(
    key === '' ? 'a proxy needs the key of its platform' : 'that is not the key of a platform',
    'It is in the file proxy-key in the RYO_FAAS_HOME of the platform: name a copy with --key-file, or set RYO_FAAS_PROXY_KEY.',
  )
}

function readKey(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: Error) => {
    throw invalid(`--key-file cannot be read: ${error.message}`)
  })
}

function invalid(message: string, hint?: string): RyoFaasError {
  return new RyoFaasError('INVALID_OPTION', message, hint === undefined ? {} : { hint })
}
