/**
 * A built package: the code of one function with everything it needs at run time, and nothing about where it runs. An
 * agent takes code as packages and never as a path. Invariants:
 *
 * 1. Its digest is the SHA-256 of the manifest as `manifestText` writes it, and the manifest names every file by its
 *    own SHA-256: who knows the digest knows each byte.
 * 2. No variable, secret, name of an environment or place on a disk is part of it: staging and production run the same.
 * 3. A path leads to a file below the package, on every system; there are no links.
 */
import { createHash } from 'node:crypto'
import { basename, dirname } from 'node:path'
import { z } from 'zod'
import { NAME_PATTERN } from '@ryo-faas/runtime/protocol'
import { DeployEntry, DeploymentKind } from './deploy-file.ts'
import { StartFrom } from './trigger.ts'

export const MAX_PACKAGE_BYTES = 1024 * 1024 * 1024
export const MAX_PACKAGE_FILES = 50_000
const MAX_PATH_LENGTH = 1_000

export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in 64 hexadecimal digits')

/** Below the package, with `/`; such a path means the same everywhere. */
const PackagePath = z
  .string()
  .max(MAX_PATH_LENGTH)
  .refine(isPlainPath, 'must be a path below the package, without "..", "\\" and control characters')

/** What machine code runs on, as Node names it; read from the file itself. */
export const MachineCode = z.object({
  platform: z.enum(['linux', 'darwin', 'win32']),
  arch: z.string().max(20),
  /** On Linux, if it is linked with one. */
  libc: z.enum(['glibc', 'musl']).optional(),
  /** NODE_MODULE_VERSION of the Node that it was built for; absent: any. */
  modules: z.string().max(10).optional(),
})
export type MachineCode = z.infer<typeof MachineCode>

export const PackageFile = z.object({
  path: PackagePath,
  sha256: Sha256,
  size: z.int().min(0).max(MAX_PACKAGE_BYTES),
  executable: z.literal(true).optional(),
  machine: MachineCode.optional(),
})
export type PackageFile = z.infer<typeof PackageFile>

export const PackageManifest = z
  .object({
    format: z.literal(1),
    /** As the user wrote it in deploy.json. */
    name: z.string().regex(NAME_PATTERN),
    /** The handler was checked and wrapped as one of this kind. */
    kind: DeploymentKind,
    language: z.string().min(1).max(50),
    /** What its command runs on, if that is not the base of its language: `node@22`. */
    base: z.string().min(1).max(50).optional(),
    /** Protocol of the runtime that it was built with. */
    protocol: z.int().min(1),
    /** Release of ryo-faas that built it. */
    builtBy: z.string().max(50),
    /** The machine that it was built on; absent without machine code, which makes it the same from everywhere. */
    builtOn: MachineCode.optional(),
    /** What to run: one of its files. */
    entry: PackagePath,
    /** Sorted by path. */
    files: z.array(PackageFile).min(1).max(MAX_PACKAGE_FILES),
  })
  .superRefine((manifest, context) => {
    const problem = problemOf(manifest)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem, path: ['files'] })
  })
export type PackageManifest = z.infer<typeof PackageManifest>

/** Bytes that two programs agree on: the fields in the order of the schema. @param manifest as the schema gave it */
export function manifestText(manifest: PackageManifest): string {
  return JSON.stringify(manifest)
}

export function digestOf(manifest: PackageManifest): string {
  return createHash('sha256').update(manifestText(manifest)).digest('hex')
}

/** Part of every hash: increase it when the same files must give a different app. */
const HASH_FORMAT = 2

/**
 * 16 hex digits over everything that a function can see at run time: the same hash is the same function, whoever built
 * it and wherever.
 */
export function codeHashOf({ entry, base, files }: HashedPackage): string {
  const parts: unknown[] = [HASH_FORMAT, entry, ...(base === undefined ? [] : [base])]
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1))
  for (const { path, executable, sha256 } of sorted) parts.push([path, executable === true, sha256])
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)
}

export interface HashedPackage {
  entry: string
  base?: string | undefined
  files: readonly { path: string; executable?: boolean | undefined; sha256: string }[]
}

/** One function of a deploy: code, and the settings that hold where it is deployed. */
export const PackagedFunction = z.object({
  package: Sha256.describe('Digest of its manifest'),
  entry: DeployEntry.describe(
    'Its entry in deploy.json as it holds for this deploy: with its variables, without "environments"; packageDir and filePath are relative to the folder of deploy.json and only told to whoever asks',
  ),
})
export type PackagedFunction = z.infer<typeof PackagedFunction>

/** One function that is built, with the settings that hold for it. */
export const BuiltFunction = z.object({
  entry: DeployEntry,
  manifest: PackageManifest,
  /** More folders to watch: what it was made from outside its package, as in a workspace. */
  folders: z.array(z.string()).optional(),
})
export type BuiltFunction = z.infer<typeof BuiltFunction>

export const PackagedDeploy = z.object({
  project: z.string().min(1).max(200).describe('Functions of another project with the same name are not replaced'),
  file: z
    .string()
    .min(1)
    .max(4_096)
    .describe('Name of what it was made from, for messages and the audit log; not a path'),
  functions: z.array(PackagedFunction).min(1).max(1_000),
  explain: z.boolean().default(false).describe('Also tell how the first instance started'),
  debug: z.boolean().default(false).describe('One instance that a debugger may attach to, without a timeout'),
  replace: z.boolean().default(false).describe('Replace functions of other projects that have the same name'),
  from: StartFrom.optional().describe('First event for its triggers; default: new triggers from now, others resume'),
})

/** The name of a project for agents on other machines. @param file absolute path of its deploy.json */
export function projectOf(file: string): string {
  return basename(dirname(file)) || 'root'
}

function isPlainPath(path: string): boolean {
  if (/[\\\u0000-\u001f\u007f]/.test(path) || /^[A-Za-z]:/.test(path)) return false
  return path.split('/').every(part => part !== '' && part !== '.' && part !== '..' && part.length <= 255)
}

/** Of the files together. */
function problemOf({ entry, files }: { entry: string; files: readonly { path: string; size: number }[] }) {
  const folders = new Set<string>()
  let bytes = 0
  for (const [index, { path, size }] of files.entries()) {
    bytes += size
    if (index > 0 && files[index - 1]!.path >= path) return 'must be sorted by path, each once'
    for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) folders.add(path.slice(0, at))
  }
  const both = files.find(({ path }) => folders.has(path))
  if (both !== undefined) return `has "${both.path}" as a file and as a folder`
  if (bytes > MAX_PACKAGE_BYTES) return `is ${bytes} bytes, more than ${MAX_PACKAGE_BYTES}`
  if (!files.some(({ path }) => path === entry)) return `lacks "${entry}", which is to be run`
  return undefined
}
