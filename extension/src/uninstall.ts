/**
 * Run by the editor after the extension was uninstalled, in a process of its own, from the extension's folder alone: no
 * imports but Node's. Functions and data are the user's and stay; a platform that is running goes on. Removed is what
 * the extension copied for itself, its agent, unless a platform may be running from that.
 */
import { existsSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

// As `ryo-faas/client` has it; a test holds the two together. A home that only a setting named is not known here.
const home = resolve(process.env['RYO_FAAS_HOME'] || join(homedir(), '.ryo-faas'))
const isInUse = ['agent.json', join('run', 'options.json')].some(name => existsSync(join(home, name)))
if (!isInUse) rmSync(join(home, 'agents'), { recursive: true, force: true })
