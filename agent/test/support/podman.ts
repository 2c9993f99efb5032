/** Podman with a storage of its own, and pods without a network: they are called from inside. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ensureInstalled, programOf } from './system-packages.ts'

const run = promisify(execFile)

export class Podman {
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async make(): Promise<Podman> {
    await ensureInstalled(['podman', 'catatonit', 'curl'])
    const folder = await mkdtemp(join(tmpdir(), 'rfa-podman-'))
    await mkdir(join(folder, 'tmp'))
    // Layers as folders: it may be running on an overlay itself.
    const places = ['root', 'run'].map(name => JSON.stringify(join(folder, name)))
    const storage = `[storage]\ndriver = "vfs"\ngraphroot = ${places[0]}\nrunroot = ${places[1]}\n`
    await writeFile(join(folder, 'storage.conf'), storage)
    return new Podman(folder)
  }

  async run(...args: string[]): Promise<string> {
    const env = {
      ...process.env,
      CONTAINERS_STORAGE_CONF: join(this.#folder, 'storage.conf'),
      TMPDIR: join(this.#folder, 'tmp'),
      PODMAN_IGNORE_CGROUPSV1_WARNING: '1',
    }
    return (await run(programOf('podman')!, args, { env })).stdout.trim()
  }

  play(file: string): Promise<string> {
    return this.run('kube', 'play', '--network', 'none', file)
  }

  /** What the container answers at this path. */
  async call(container: string, path: string, ...options: string[]): Promise<string> {
    const pid = await this.run('inspect', container, '--format', '{{.State.Pid}}')
    const curl = ['curl', '--silent', '--show-error', '--fail', ...options, `http://127.0.0.1:6000${path}`]
    return (await run('nsenter', [`--net=/proc/${pid}/ns/net`, ...curl])).stdout
  }

  async remove(): Promise<void> {
    await this.run('pod', 'rm', '--all', '--force', '--time', '0')
    await this.run('system', 'reset', '--force')
    await rm(this.#folder, { recursive: true, force: true })
  }
}
