/**
 * What a test in a real editor needs and the checkout does not bring: the server build of VS Code (out of the package
 * `code-server`), Chromium and ripgrep. Fetched once, kept in the user's cache folder.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { fillGoCache } from '../../../agent/test/support/go-cache.ts'
import { ensureInstalled, programOf } from '../../../agent/test/support/system-packages.ts'

const run = promisify(execFile)
const CODE_SERVER = '4.100.3'
/** Changes when what is built from it does. */
const RECIPE = 3
const NPM_INSTALL = ['install', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']

/**
 * Stands in for the native module that writes the editor's logs, which is not compiled here: without it output channels
 * stay empty.
 */
const SPDLOG = `
const { appendFileSync, mkdirSync } = require('node:fs')
const { dirname } = require('node:path')
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'critical']
class Logger {
  constructor(file) {
    this.file = file
    mkdirSync(dirname(file), { recursive: true })
    this.level = 2
    this.isPlain = false
  }
  getLevel() { return this.level }
  setLevel(level) { this.level = level }
  clearFormatters() { this.isPlain = true }
  setPattern() {}
  flush() {}
  drop() {}
}
for (const [number, level] of LEVELS.entries()) {
  Logger.prototype[level] = function (text) {
    if (number < this.level) return
    const time = new Date().toISOString().replace('T', ' ').replace('Z', '')
    appendFileSync(this.file, this.isPlain ? text : time + ' [' + level + '] ' + text + '\\n')
  }
}
const create = async (name, file) => new Logger(file)
exports.version = 1
exports.setLevel = () => {}
exports.setFlushOn = () => {}
exports.shutdown = () => {}
exports.createRotatingLogger = create
exports.createAsyncRotatingLogger = create
`

export interface Prerequisites {
  /** Folder of the editor's server: `out/server-main.js` is in it. */
  editor: string
  chromium: string
}

export async function prerequisites(environment: NodeJS.ProcessEnv): Promise<Prerequisites> {
  await ensureInstalled(
    ['chromium', 'golang-go', 'openssh-client', 'openssh-server', 'python3', 'ripgrep'],
    environment,
  )
  await fillGoCache()
  const cache = join(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'ryo-faas')
  return { editor: await editor(cache), chromium: programOf('chromium')! }
}

/** Made under a temporary name and renamed, so that one that was broken off is never mistaken for a whole one. */
async function editor(cache: string): Promise<string> {
  const home = join(cache, `code-server-${CODE_SERVER}-${RECIPE}`)
  const server = join(home, 'lib', 'vscode')
  if (existsSync(join(server, 'out', 'server-main.js'))) return server
  await mkdir(cache, { recursive: true })
  const temporary = await mkdtemp(join(cache, 'unpacking-'))
  try {
    const options = { cwd: temporary, maxBuffer: 64 * 1024 * 1024 }
    await run('npm', ['pack', `code-server@${CODE_SERVER}`, '--loglevel=error'], options)
    const [archive] = await readdir(temporary)
    await run('tar', ['xzf', archive!], options)
    const unpacked = join(temporary, 'package')
    for (const folder of [join(unpacked, 'lib', 'vscode'), join(unpacked, 'lib', 'vscode', 'extensions')]) {
      await run('npm', NPM_INSTALL, { ...options, cwd: folder })
    }
    const ripgrep = join(unpacked, 'lib', 'vscode', 'node_modules', '@vscode', 'ripgrep', 'bin')
    await mkdir(ripgrep, { recursive: true })
    await copyFile(programOf('ripgrep')!, join(ripgrep, 'rg'))
    await writeFile(join(unpacked, 'lib', 'vscode', 'node_modules', '@vscode', 'spdlog', 'index.js'), SPDLOG)
    await rename(unpacked, home).catch((error: unknown) => {
      // Another run was faster.
      if (!existsSync(join(server, 'out', 'server-main.js'))) throw error
    })
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  return server
}
