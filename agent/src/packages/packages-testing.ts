/** Packages for tests, made of texts. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { BuiltPackages } from '../client/index.ts'
import { DeployEntry, PackageManifest } from '../contract/index.ts'

export const sha256Of = (content: string | Buffer) => createHash('sha256').update(content).digest('hex')

/** @param files content by path; `main.mjs` is its entry */
export function manifestOf(
  files: Record<string, string | Buffer>,
  about: Partial<PackageManifest> = {},
): PackageManifest {
  return PackageManifest.parse({
    ...{ format: 1, name: 'hello', kind: 'http', language: 'node', protocol: 2, builtBy: '0', entry: 'main.mjs' },
    files: Object.entries(files)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, content]) => ({ path, sha256: sha256Of(content), size: Buffer.byteLength(content) })),
    ...about,
  })
}

export function builtOf(...packages: Record<string, string | Buffer>[]): BuiltPackages {
  const contents = new Map(packages.flatMap(files => Object.values(files)).map(content => [sha256Of(content), content]))
  return {
    project: 'shop',
    file: '/shop/deploy.json',
    functions: packages.map((files, index) => ({
      entry: DeployEntry.parse({ name: `f${index}`, packageDir: '/shop', filePath: '/shop/main.mjs' }),
      manifest: manifestOf(files, { name: `f${index}` }),
    })),
    open: sha256 => Readable.from([Buffer.from(contents.get(sha256)!)]),
    close: async () => undefined,
  }
}
