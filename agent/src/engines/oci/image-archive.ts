/**
 * Images in one tar, each layer once. It is an OCI layout (image-spec) that also has what `docker load` looks for, so
 * Docker, Podman, containerd and skopeo all read it.
 */
import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { pack, type Pack } from 'tar-stream'
import type { BlobStore, Descriptor } from './blob-store.ts'

const INDEX = 'application/vnd.oci.image.index.v1+json'

export interface ArchivedImage {
  /** With its host and its tag, as it is to be called where it is loaded. */
  name: string
  manifest: Descriptor
  /** What the manifest names: the configuration, then the layers. */
  contents: Descriptor[]
}

/** What cannot be read destroys the stream with the reason. */
export function imageArchive(blobs: BlobStore, images: readonly ArchivedImage[]): Readable {
  const archive = pack()
  fill(archive, blobs, images).catch((error: Error) => archive.destroy(error))
  return archive as unknown as Readable
}

async function fill(archive: Pack, blobs: BlobStore, images: readonly ArchivedImage[]): Promise<void> {
  const json = (name: string, value: unknown) => archive.entry({ name }, JSON.stringify(value))
  json('oci-layout', { imageLayoutVersion: '1.0.0' })
  json('index.json', {
    ...{ schemaVersion: 2, mediaType: INDEX },
    manifests: images.map(({ name, manifest }) => ({
      ...manifest,
      annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': tagOf(name) },
    })),
  })
  json(
    'manifest.json',
    images.map(({ name, contents: [config, ...layers] }) => ({
      ...{ Config: pathOf(config!), RepoTags: [name], Layers: layers.map(pathOf) },
    })),
  )
  for (const folder of ['blobs/', 'blobs/sha256/']) archive.entry({ name: folder, type: 'directory' })
  const all = images.flatMap(({ manifest, contents }) => [manifest, ...contents])
  for (const each of new Map(all.map(content => [content.digest, content])).values()) {
    const entry = archive.entry({ name: pathOf(each), size: each.size })
    await pipeline(createReadStream(blobs.pathOf(each.digest)), entry)
  }
  archive.finalize()
}

function pathOf({ digest }: Descriptor): string {
  return `blobs/${digest.replace(':', '/')}`
}

function tagOf(name: string): string {
  return name.slice(name.lastIndexOf(':') + 1)
}
