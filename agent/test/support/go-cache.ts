/** Where tests keep what Go has compiled: without it every home would compile the standard library, for a minute. */
import { homedir } from 'node:os'
import { join } from 'node:path'

export const GO_CACHE = process.env['GOCACHE'] || join(homedir(), '.cache', 'ryo-faas', 'go-build')
