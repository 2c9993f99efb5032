/**
 * A home and a project of one test's own, and a workspace whose settings name them; taken away with everything that
 * runs there.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const run = promisify(execFile)

export type EngineSetting = 'auto' | 'docker' | 'process'

export interface PlatformOptions {
  /** The workspace's, by path; absent: a copy of `examples`. */
  files?: Readonly<Record<string, string>>
  /** Default: `process`, which needs nothing. */
  engine?: EngineSetting
}

export class TestPlatform {
  readonly home: string
  readonly workspace: string
  readonly project: string
  readonly #engine: EngineSetting

  private constructor(parts: { home: string; workspace: string; project: string; engine: EngineSetting }) {
    this.home = parts.home
    this.workspace = parts.workspace
    this.project = parts.project
    this.#engine = parts.engine
  }

  static async make({ files, engine = 'process' }: PlatformOptions = {}): Promise<TestPlatform> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'ryo-faas-extension-')))
    const workspace = join(folder, 'functions')
    if (!files) {
      const filter = (path: string) => !/node_modules|tsbuildinfo/.test(path)
      await cp(join(root, 'examples'), workspace, { recursive: true, filter })
      // They belong to the checkout around the examples, which is not there.
      await rm(join(workspace, 'tsconfig.json'), { force: true })
    }
    await mkdir(workspace, { recursive: true })
    for (const [path, text] of Object.entries(files ?? {})) {
      await mkdir(dirname(join(workspace, path)), { recursive: true })
      await writeFile(join(workspace, path), text)
    }
    const project = `rfax${Math.random()
      .toString(36)
      .replace(/[^a-z0-9]/g, '')
      .slice(0, 8)}`
    const platform = new TestPlatform({ home: join(folder, 'home'), workspace, project, engine })
    await mkdir(dirname(platform.#settingsFile), { recursive: true })
    await writeFile(platform.#settingsFile, JSON.stringify(platform.#firstSettings()))
    return platform
  }

  /** The workspace's, as they are now. */
  async settings(): Promise<unknown> {
    return JSON.parse(await readFile(this.#settingsFile, 'utf8'))
  }

  async agentPid(): Promise<number> {
    return (JSON.parse(await readFile(join(this.home, 'agent.json'), 'utf8')) as { pid: number }).pid
  }

  async remove(): Promise<void> {
    try {
      if (existsSync(this.home)) {
        const env = { ...process.env, RYO_FAAS_HOME: this.home }
        await run(process.execPath, [join(root, 'agent', 'bin', 'ryo-faas.js'), 'stopFaas', '--prune', '--yes'], {
          env,
        })
      }
      if (this.#engine !== 'process') await this.#removeImages()
    } finally {
      await rm(dirname(this.home), { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    }
  }

  /** A platform that was stopped keeps the images of its functions for its next start. */
  async #removeImages(): Promise<void> {
    const filter = ['--filter', `label=ryo-faas=${this.project}`]
    // There are none without Docker.
    const { stdout } = await run('docker', ['images', '--quiet', ...filter]).catch(() => ({ stdout: '' }))
    const ids = [...new Set(stdout.split('\n'))].filter(id => id !== '')
    if (ids.length > 0) await run('docker', ['image', 'rm', '--force', ...ids])
  }

  get #settingsFile(): string {
    return join(this.workspace, '.vscode', 'settings.json')
  }

  #firstSettings(): Record<string, unknown> {
    const startOptions = { project: this.project, port: 0, agentPort: 0, natsPort: 0, storePort: 0 }
    return { 'ryo-faas.home': this.home, 'ryo-faas.engine': this.#engine, 'ryo-faas.startOptions': startOptions }
  }
}
