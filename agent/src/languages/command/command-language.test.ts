/** Programs as functions: the language by its contract, what is taken along, and what is said of what cannot run. */
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hostPathsOf } from '../../contract/index.ts'
import type { FunctionSource } from '../language.ts'
import { languageContract } from '../testing/language-contract.ts'
import { CommandLanguage } from './command-language.ts'

/** Twenty lines, of which nothing is ours. */
const server = (answer: string) => `#!/usr/bin/env python3
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        body = b'${answer}'
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

ThreadingHTTPServer(('', int(os.environ['PORT'])), Handler).serve_forever()
`

const environment = { PATH: process.env['PATH'] ?? '' }
const make = () => new CommandLanguage({ environment })

languageContract('command', {
  make,
  entry: 'server',
  command: ['./server'],
  files: { server: server('hello'), 'data/notes.txt': 'a file that it may read' },
  change: { server: server('other') },
  broken: { files: { server: 'this is no program' }, line: 1 },
})

const never = new AbortController().signal
let folder: string
let packages = 0
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'rfa-command-')))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function sourceOf(
  files: Record<string, string>,
  wanted: Pick<FunctionSource, 'command' | 'dockerfile'> & Partial<FunctionSource>,
): Promise<FunctionSource> {
  const packageDir = join(folder, String(++packages))
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(packageDir, path)), { recursive: true })
    await writeFile(join(packageDir, path), content)
  }
  return { name: 'it', kind: 'http', rootDir: packageDir, packageDir, filePath: packageDir, files: [], ...wanted }
}

async function problemOf(source: FunctionSource): Promise<string> {
  const [outcome] = await make().check([source])
  if (outcome?.kind !== 'rejected') throw new Error('it was accepted')
  return outcome.problems.map(({ code, message }) => `${code}: ${message}`).join()
}

async function baseOf(source: FunctionSource): Promise<string | undefined> {
  const [outcome] = await make().check([source])
  if (outcome?.kind !== 'accepted') throw new Error(JSON.stringify(outcome))
  return outcome.base
}

test('what cannot run is said at the check, with what is wrong', async () => {
  const problems = [
    [{}, { command: ['./absent'] }, 'missing-program: the program "./absent" does not exist'],
    [{}, { command: ['../beside'] }, 'path-outside: "../beside" is outside the package'],
    [
      {},
      { command: ['no-such-program'] },
      'missing-program: the program "no-such-program" was not found on this machine',
    ],
    [{ a: '#!/bin/no-such\n' }, { command: ['./a'] }, 'missing-program: the program "/bin/no-such" does not exist'],
    [{ a: '#!/usr/bin/env -S\n' }, { command: ['./a'] }, 'wrong-program: "./a" has no interpreter'],
    [{}, { dockerfile: true }, 'missing-file: the package has no Dockerfile'],
    [{}, { dockerfile: '../Dockerfile' }, 'path-outside: "../Dockerfile" is outside the package'],
    [{}, { language: 'command' }, 'missing-field: "it" says neither "command" nor "dockerfile"'],
    [
      { a: '' },
      { command: ['sh'], kind: 'service' },
      'wrong-kind: "it" is a program, which registers no handlers: remove "mainProcess"',
    ],
  ] as const
  for (const [files, wanted, expected] of problems) {
    expect(await problemOf(await sourceOf(files, wanted as Partial<FunctionSource>))).toBe(expected)
  }
})

test('everything of the package is taken that .dockerignore does not leave out, and no settings', async () => {
  const source = await sourceOf(
    {
      ...{ 'run.sh': '#!/bin/sh\n', 'main.ts': '', 'lib/a.py': '', 'lib/__pycache__/a.pyc': '', 'deploy.json': '{}' },
      ...{ '.env': 'A=1', '.hidden': '', 'big/kept.bin': '1', 'big/left.bin': '1', Dockerfile: 'FROM scratch\n' },
      '.dockerignore': 'big\n!big/kept.bin\n**/*.ts\nDockerfile\n',
    },
    { command: ['./run.sh'] },
  )
  const takenOf = async (wanted: Partial<FunctionSource>) => {
    const [outcome] = await make().check([{ ...source, ...wanted }])
    if (outcome?.kind !== 'accepted') throw new Error(JSON.stringify(outcome))
    const { dir, entry } = await (await outcome.bundle(never)).write(join(folder, 'versions', String(++packages)))
    const entries = await readdir(dir, { recursive: true, withFileTypes: true })
    const files = entries
      .filter(each => each.isFile())
      .map(each => join(each.parentPath, each.name).slice(dir.length + 1))
    return { files: files.sort(), entry }
  }
  expect(await takenOf({})).toEqual({ files: ['big/kept.bin', 'lib/a.py', 'run.sh'], entry: 'run.sh' })
  const { files } = await takenOf({ dockerfile: true, files: ['.hidden'] })
  expect(files).toEqual(['.hidden', 'Dockerfile', 'big/kept.bin', 'lib/a.py', 'run.sh'])
})

test.runIf(process.platform === 'linux')(
  'a program runs on what it needs: nothing, libraries, or its interpreter',
  async () => {
    const program = 'int main(void) { return 0; }'
    const source = await sourceOf(
      { 'main.c': program, 'run.sh': '#!/bin/sh\n', 'app.py': '#!/usr/bin/env python3\n' },
      {},
    )
    const { packageDir } = source
    execFileSync('gcc', ['-o', 'linked', 'main.c'], { cwd: packageDir })
    execFileSync('gcc', ['-static', '-o', 'static', 'main.c'], { cwd: packageDir })
    await chmod(join(packageDir, 'static'), 0o644)

    expect(await baseOf({ ...source, command: ['./static'] })).toBe('scratch')
    const libraries = hostPathsOf(await baseOf({ ...source, command: ['./linked'] }))
    expect(libraries).toEqual([expect.stringMatching(/ld-linux/), expect.stringMatching(/libc\.so\.6$/)])
    expect(hostPathsOf(await baseOf({ ...source, command: ['./run.sh'] }))).toEqual(['/bin/sh'])
    expect(await baseOf({ ...source, command: ['node', 'server.js'] })).toBe('node')
    const python = hostPathsOf(await baseOf({ ...source, command: ['./app.py'] }))!
    expect(python[0]).toMatch(/\/python3\.\d+$/)
    expect(python).toContainEqual(expect.stringMatching(/\/lib\/python3\.\d+$/))
    expect(python.at(-1)).toBe('/usr/bin/env')
    expect(await baseOf({ ...source, dockerfile: 'main.c' })).toBe('dockerfile:main.c')
  },
)

test('the program of a command is named by its whole path', () => {
  const built = { folder: '/app', entry: 'server' }
  const command = (words: string[], base?: string) => make().command({ ...built, command: words, base })
  expect(command(['./server', '-v'])).toEqual(['/app/server', '-v'])
  expect(command(['python3', 'a.py'], 'host:/opt/bin/python3.13:/opt/lib')).toEqual(['/opt/bin/python3.13', 'a.py'])
  expect(command(['node', 'a.js'], 'node')).toEqual(['node', 'a.js'])
  expect(make().command(built)).toEqual([])
})
