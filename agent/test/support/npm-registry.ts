/** A registry of npm that has what is published from this checkout, and nothing else. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const CHECKOUT = fileURLToPath(new URL('../../../', import.meta.url))
/** Native parts for this machine; those for others are optional. */
const NATIVE = [`@esbuild/${process.platform}-${process.arch}`, `@lmdb/lmdb-${process.platform}-${process.arch}`]

interface Manifest {
  name: string
  version: string
}

/** Makes `ryo-faas-<version>.tgz` and what else is published. */
export async function packPublished(folder: string): Promise<void> {
  const tsx = createRequire(import.meta.url).resolve('tsx/cli')
  await run(process.execPath, [tsx, '--conditions=source', 'agent/scripts/pack.ts', folder], { cwd: CHECKOUT })
}

export async function startNpmRegistry(host: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'rfa-npm-'))
  await packPublished(folder)
  const natives = NATIVE.map(name => join(CHECKOUT, 'node_modules', name))
  await run('npm', ['pack', ...natives, '--pack-destination', folder, '--ignore-scripts'])
  const packages = new Map<string, { file: string; manifest: Manifest }>()
  for (const file of await readdir(folder)) {
    const { stdout } = await run('tar', ['-xzOf', join(folder, file), 'package/package.json'])
    const manifest = JSON.parse(stdout) as Manifest
    packages.set(manifest.name, { file, manifest })
  }

  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url!.slice(1))
    const files = [...packages.values()].map(({ file }) => file)
    const found = packages.get(path)
    if (files.includes(path)) return void createReadStream(join(folder, path)).pipe(response)
    if (found === undefined) return void response.writeHead(404).end('{}')
    const { name, version } = found.manifest
    const dist = { tarball: `http://${request.headers.host}/${found.file}` }
    const versions = { [version]: { ...found.manifest, dist } }
    response.end(JSON.stringify({ name, 'dist-tags': { latest: version }, versions }))
  })
  await once(server.listen(0, host), 'listening')
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}/`,
    stop: async () => {
      server.closeAllConnections()
      server.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
