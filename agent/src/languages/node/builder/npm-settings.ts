/**
 * npm's settings when the agent runs it for an untrusted package. Invariants:
 *
 * 1. The package chooses where its packages come from and with which credentials of its own, literally, and nothing
 *    else: no program, no file, no script, no proxy, no certificate (with a proxy and a certificate of its own it would
 *    receive the user's tokens).
 * 2. Nothing of the agent's environment can reach the package's registry: npm gets no variable it does not need, and
 *    no value in the package's settings that names one is passed on.
 * 3. The settings of the user and of the machine apply as they do in a shell.
 */
import { join } from 'node:path'

const REGISTRY = /^(?:@[\w.~-]+:)?registry$/
const CREDENTIAL = /^\/\/[\w.:[\]~/-]+\/:(?:_authToken|_auth|username|_password)$/
/** How npm reads the lock file; without these, `npm ci` refuses locks that were made with them. */
const SWITCH = /^legacy-peer-deps$/

/** The lines of a package's `.npmrc` that are allowed, and the keys of those that would read the environment. */
export function literalSettings(npmrc: string): { text: string; needingEnvironment: string[] } {
  const lines: string[] = []
  const needingEnvironment: string[] = []
  for (const line of npmrc.split(/\r?\n/)) {
    const [, key, quoted] = /^\s*([^\s=;#[]+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    if (key === undefined || quoted === undefined) continue
    const value = /^(["'])(.*)\1$/.exec(quoted)?.[2] ?? quoted
    if (!isSetting(key)) continue
    if (value.includes('${')) needingEnvironment.push(key)
    else if (isLiteral(key, value)) lines.push(`${key}=${value}\n`)
  }
  return { text: lines.join(''), needingEnvironment }
}

function isSetting(key: string): boolean {
  return REGISTRY.test(key) || CREDENTIAL.test(key) || SWITCH.test(key)
}

/** Values that mean the same to every reader of the format: nothing in them quotes, escapes or comments. */
function isLiteral(key: string, value: string): boolean {
  if (REGISTRY.test(key)) return /^https?:\/\/[\w.:[\]~/@%+-]+$/.test(value)
  if (CREDENTIAL.test(key)) return /^[\w.~+/=:@-]+$/.test(value)
  return value === 'true' || value === 'false'
}

/** @param folder in which npm runs: it holds a file `package.json` */
export function installArguments(folder: string): string[] {
  return [
    'ci',
    '--omit=dev',
    '--ignore-scripts',
    '--no-bin-links',
    '--no-audit',
    '--no-fund',
    '--no-update-notifier',
    '--script-shell=',
    '--node-options=',
    // A path below a file never exists, so npm cannot start git.
    `--git=${join(folder, 'package.json', 'git')}`,
  ]
}

const PASSED_ON = new Set(
  [
    ...['PATH', 'HOME', 'USERPROFILE', 'APPDATA', 'LOCALAPPDATA', 'SystemRoot'],
    ...['LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'TEMP', 'TMP'],
    ...['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR'],
    ...[
      'cache',
      'userconfig',
      'globalconfig',
      'registry',
      'proxy',
      'https_proxy',
      'noproxy',
      'cafile',
      'strict_ssl',
    ].map(setting => `npm_config_${setting}`),
  ].map(name => name.toLowerCase()),
)

/** @param userSettings text of the user's own `.npmrc`, which may name variables: the user chose to pass them on */
export function installEnvironment(environment: NodeJS.ProcessEnv, userSettings: string): NodeJS.ProcessEnv {
  const named = new Set([...userSettings.matchAll(/\$\{([^${}?]+)\??\}/g)].map(([, name]) => name))
  return {
    ...Object.fromEntries(
      Object.entries(environment).filter(([name]) => PASSED_ON.has(name.toLowerCase()) || named.has(name)),
    ),
    // Where `npm` is Corepack's, the package would choose by "packageManager" which npm is fetched and run.
    COREPACK_ENABLE_PROJECT_SPEC: '0',
  }
}

/** Where npm looks for the user's own settings. */
export function userSettingsFile(environment: NodeJS.ProcessEnv): string | undefined {
  const named = Object.entries(environment).find(([name]) => name.toLowerCase() === 'npm_config_userconfig')?.[1]
  const home = environment['HOME'] ?? environment['USERPROFILE']
  return named || (home !== undefined ? join(home, '.npmrc') : undefined)
}
