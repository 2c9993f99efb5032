/** Finds a nats-server: on PATH, as a Docker image, or (for root on Debian and the like) in the package manager. */
import { execFile } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import type Docker from 'dockerode'
import { RyoFaasError } from '../../contract/index.ts'

export type NatsSource = { kind: 'binary'; path: string } | { kind: 'image'; ref: string; docker: Docker }

export interface NatsSearch {
  /** `auto`, or the user's choice: a path, or `image`. */
  choice: string
  image: string
  environment: NodeJS.ProcessEnv
  /**
   * Returns a Docker connection that now has the image; absent: do not use Docker.
   * @throws why none has it
   */
  obtainImage?: () => Promise<Docker>
  mayInstall: boolean
  report: (doing: string) => void
}

const PACKAGE_COMMAND = 'apt-get install -y nats-server'

/** @throws RyoFaasError NATS_UNAVAILABLE with everything that was tried and the command that fixes it. */
export async function findNats(search: NatsSearch): Promise<NatsSource> {
  if (search.choice !== 'auto' && search.choice !== 'image') {
    if (await isExecutable(search.choice)) return { kind: 'binary', path: search.choice }
    throw unavailable(`${search.choice} is not an executable file`)
  }
  if (search.choice === 'auto') {
    const found = await onPath('nats-server', search.environment)
    if (found) return { kind: 'binary', path: found }
  }
  let noImage: Error | undefined
  try {
    const docker = await search.obtainImage?.()
    if (docker !== undefined) return { kind: 'image', ref: search.image, docker }
  } catch (error) {
    noImage = error as Error // The search continues, and its error includes this.
  }
  if (search.choice === 'image') {
    throw unavailable(`NATS cannot run from the image ${search.image}: ${noImage?.message}`, noImage)
  }
  if (search.mayInstall && (await onPath('apt-get', search.environment))) {
    search.report('installing nats-server with apt-get')
    await install(search.environment)
    const found = await onPath('nats-server', search.environment)
    if (found) return { kind: 'binary', path: found }
  }
  const instead = noImage === undefined ? '' : `, and no image ${search.image}: ${noImage.message}`
  throw unavailable(`no nats-server on PATH${instead}`, noImage)
}

function unavailable(message: string, cause?: unknown): RyoFaasError {
  return new RyoFaasError('NATS_UNAVAILABLE', message, {
    hint: `Install it (on Debian or Ubuntu: sudo ${PACKAGE_COMMAND}; on macOS: brew install nats-server) or name one with --nats-server.`,
    ...(cause !== undefined && { cause }),
  })
}

async function install(environment: NodeJS.ProcessEnv): Promise<void> {
  const options = { env: { ...environment, DEBIAN_FRONTEND: 'noninteractive' } }
  try {
    await promisify(execFile)('apt-get', ['update', '-qq'], options)
    await promisify(execFile)('apt-get', ['install', '-y', '-qq', 'nats-server'], options)
  } catch (error) {
    throw unavailable(`"${PACKAGE_COMMAND}" failed: ${(error as Error).message}`, error)
  }
}

async function onPath(name: string, environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  const folders = [...(environment['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'].filter(Boolean)
  for (const folder of folders) {
    const path = join(folder, process.platform === 'win32' ? `${name}.exe` : name)
    if (await isExecutable(path)) return path
  }
  return undefined
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return true
  } catch {
    return false // Absent or not executable is the same to us.
  }
}
