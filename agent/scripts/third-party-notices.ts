/**
 * The licences of everything that is shipped and not ours, as one text. Invariants: 1. what is named are the packages
 * whose files were bundled or copied, not those that a manifest lists. 2. a package without a licence's text is shipped
 * only if its manifest says which licence it has.
 */
import { readFile, readdir } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'

const TEXT = /^(?:licen[cs]e|copying|copyright|notice|thirdpartynotice)/i
const CODE = /\.(?:[cm]?[jt]s|json|node|map)$/
const RULE = '-'.repeat(80)

interface Manifest {
  name: string
  version: string
  license?: string
  author?: string | { name: string }
  repository?: string | { url: string }
}

/** Absolute folders of the packages in which these files lie; files that are in none are ours. */
export function packagesOf(files: Iterable<string>, root: string): Set<string> {
  const folders = new Set<string>()
  for (const file of files) {
    // As a source map names it: `webpack://name/./node_modules/zod/index.js`.
    // Placeholders for modules that are left out have a bar in their names.
    if (file.includes('|')) continue
    const path = file.replace(/^webpack:\/\/[^/]*\//, '').split('?')[0]!
    const [, folder] = /^(.*node_modules\/(?:@[^/]+\/)?[^/@][^/]*)\//.exec(path) ?? []
    if (folder !== undefined) folders.add(resolve(root, folder))
  }
  return folders
}

/** Files that a bundle was made from. */
export async function sourcesOf(sourceMap: string): Promise<string[]> {
  return (JSON.parse(await readFile(sourceMap, 'utf8')) as { sources: string[] }).sources
}

export async function thirdPartyNotices(folders: Iterable<string>): Promise<string> {
  const sections = new Map<string, string>()
  for (const folder of folders) {
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest
    sections.set(`${manifest.name} ${manifest.version}`, await section(manifest, folder))
  }
  const names = [...sections.keys()].sort()
  const head = 'ryo-faas comes with the following packages, each under its own licence.'
  return [head, names.map(name => `  ${name}`).join('\n'), ...names.map(name => sections.get(name)!)].join('\n\n')
}

async function section(manifest: Manifest, folder: string): Promise<string> {
  const { name, version, license, author, repository } = manifest
  const texts = await licenceTexts(folder)
  if (texts.length === 0 && license === undefined) throw new Error(`${name} ${version} has no licence: ${folder}`)
  const by = typeof author === 'object' ? author.name : author
  const from = typeof repository === 'object' ? repository.url : repository
  const facts = [
    `${name} ${version}`,
    ...(license === undefined ? [] : [`Licence: ${license}`]),
    ...(by === undefined ? [] : [`Author: ${by}`]),
    ...(from === undefined ? [] : [`Source: ${from}`]),
  ]
  return [RULE, facts.join('\n'), ...texts].join('\n\n')
}

/** Its own, and those of what it has taken over from others. */
async function licenceTexts(folder: string): Promise<string[]> {
  const texts = new Set<string>()
  const look = async (at: string): Promise<void> => {
    for (const entry of await readdir(at, { withFileTypes: true })) {
      if (entry.isDirectory() && entry.name !== 'node_modules') await look(join(at, entry.name))
      if (entry.isFile() && TEXT.test(entry.name) && !CODE.test(basename(entry.name))) {
        texts.add((await readFile(join(at, entry.name), 'utf8')).trim())
      }
    }
  }
  await look(folder)
  return [...texts]
}
