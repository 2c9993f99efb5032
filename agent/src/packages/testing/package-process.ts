/**
 * A process that does one thing with a package store, to be killed while it does: `receive` takes a tar from its standard
 * input, `place` writes a version again and again. `package-process.ts <folder> <manifest file> <receive | place>`
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PackageManifest } from '../../contract/index.ts'
import { PackageStore } from '../package-store.ts'

const [folder, file, doing] = process.argv.slice(2) as [string, string, 'receive' | 'place']
const manifest = PackageManifest.parse(JSON.parse(await readFile(file, 'utf8')))
const store = new PackageStore(folder)
await store.announce([manifest], new Set())
process.stdout.write('ready\n')
if (doing === 'receive') await store.receive(process.stdin)
else {
  for (;;) {
    await store.place({ manifest, versionDir: join(folder, 'version'), isWritable: true })
    process.stdout.write('placed\n')
  }
}
