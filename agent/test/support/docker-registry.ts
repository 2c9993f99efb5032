/** A registry with a password, as users have one. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureInstalled, programOf } from './system-packages.ts'
import { until } from './until.ts'

export const USER = { username: 'somebody', password: 's3cret' }
/** Of the password, by bcrypt. */
const HASH = '$2b$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK'

export interface TestRegistry {
  /** Host and port. */
  address: string
  /** Of a user who has logged in, as `DOCKER_CONFIG`. */
  loggedIn: string
  stop(): Promise<void>
}

export async function startRegistry(host: string): Promise<TestRegistry> {
  await ensureInstalled(['docker-registry'])
  const folder = await mkdtemp(join(tmpdir(), 'rfa-registry-'))
  const loggedIn = join(folder, 'docker')
  const address = `${host}:${await freePortOf(host)}`
  const [config, passwords] = [join(folder, 'config.yml'), join(folder, 'passwords')]
  const auth = Buffer.from(`${USER.username}:${USER.password}`).toString('base64')
  await mkdir(loggedIn)
  await writeFile(join(loggedIn, 'config.json'), JSON.stringify({ auths: { [address]: { auth } } }))
  await writeFile(passwords, `${USER.username}:${HASH}\n`)
  // JSON is YAML.
  await writeFile(
    config,
    JSON.stringify({
      version: 0.1,
      storage: { filesystem: { rootdirectory: join(folder, 'data') } },
      http: { addr: address },
      auth: { htpasswd: { realm: 'test', path: passwords } },
    }),
  )
  const registry = spawn(programOf('docker-registry')!, ['serve', config], { stdio: 'ignore' })
  const ended = once(registry, 'exit')
  await until(async () => (await fetch(`http://${address}/v2/`).catch(() => undefined))?.status === 401 || undefined)
  return {
    ...{ address, loggedIn },
    stop: async () => {
      registry.kill('SIGKILL')
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function freePortOf(host: string): Promise<number> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
