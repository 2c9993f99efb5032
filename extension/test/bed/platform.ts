/** A home and a project of one test's own, and a copy of a workspace; taken away with everything that runs in it. */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const run = promisify(execFile)

export class TestPlatform {
  readonly home: string
  readonly workspace: string
  readonly project: string

  private constructor(parts: { home: string; workspace: string; project: string }) {
    this.home = parts.home
    this.workspace = parts.workspace
    this.project = parts.project
  }

  /** @param files to write; none: a copy of `examples` */
  static async make(files?: Readonly<Record<string, string>>): Promise<TestPlatform> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'ryo-faas-extension-')))
    const workspace = join(folder, 'functions')
    if (!files) {
      const filter = (path: string) => !/node_modules|tsbuildinfo/.test(path)
      await cp(join(root, 'examples'), workspace, { recursive: true, filter })
      // Of the checkout around them, which is not there.
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
    return new TestPlatform({ home: join(folder, 'home'), workspace, project })
  }

  get environment(): Record<string, string> {
    return { RYO_FAAS_HOME: this.home }
  }

  settings(engine: 'auto' | 'docker' | 'process' = 'process'): Record<string, unknown> {
    const startOptions = { project: this.project, port: 0, agentPort: 0, natsPort: 0, storePort: 0 }
    return { 'ryo-faas.engine': engine, 'ryo-faas.startOptions': startOptions }
  }

  async agentPid(): Promise<number> {
    return (JSON.parse(await readFile(join(this.home, 'agent.json'), 'utf8')) as { pid: number }).pid
  }

  async remove(): Promise<void> {
    const env = { ...process.env, RYO_FAAS_HOME: this.home }
    const cli = join(root, 'agent', 'bin', 'ryo-faas.js')
    await run(process.execPath, [cli, 'stopFaas', '--prune'], { env })
    await rm(dirname(this.home), { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}
