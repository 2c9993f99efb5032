/** The commands of the documentation, page by page, against one platform; in the gate those of the pages most read. */
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commandsOf, isExpected, readPages, type Page } from '../../../docs/blocks/page.ts'
import { GO_CACHE } from '../support/go-cache.ts'
import { BIN, TestPlatform } from '../support/platform.ts'
import { SYSTEM_PYTHON } from '../support/python-environment.ts'
import { IS_WHOLE } from '../support/whole-suite.ts'
import { installProgram, PageShell, programsIn } from './shell.ts'

const isRun = ({ blocks }: Page) =>
  blocks.some(({ language, reason }) => language === 'console' && reason === undefined)
/** Its commands start the platform, stop it and start it again. */
const FIRST = 'start'
/** What the other pages show, tests of the gate do in their own words. */
const IN_GATE = [FIRST, 'tutorial']
const pages = (await readPages()).filter(page => isRun(page) && (IS_WHOLE || IN_GATE.includes(page.name)))

const NODE_MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url))

let user: string
let platform: TestPlatform
beforeAll(async () => {
  user = await mkdtemp(join(tmpdir(), 'rfa-docs-'))
  const home = join(user, '.ryo-faas')
  await mkdir(home)
  // What a reader has installed.
  await symlink(NODE_MODULES, join(user, 'node_modules'))
  await installProgram(user)
  await symlink(SYSTEM_PYTHON, join(programsIn(user), 'python3'))
  const anyPort = { RYO_FAAS_PORT: '0', RYO_FAAS_AGENT_PORT: '0', RYO_FAAS_STORE_PORT: '0', RYO_FAAS_NATS_PORT: '0' }
  platform = new TestPlatform(home, { ...anyPort, HOME: user, RYO_FAAS_ENGINE: 'process', GOCACHE: GO_CACHE }, BIN)
})
afterAll(async () => {
  await platform.remove()
  await rm(user, { recursive: true, force: true })
})

test('the commands of the first page do what it says', async () => {
  try {
    await runPage(pages.find(({ name }) => name === FIRST)!)
  } finally {
    // Its last command stops the platform, and the other pages need one.
    await platform.ok(['startFaas'])
  }
})

// Each page has its own folder, functions and tables.
test.concurrent.each(pages.filter(({ name }) => name !== FIRST))(
  'the commands of $name do what it says',
  runPage,
  400_000,
)

async function runPage({ name, blocks }: Page): Promise<void> {
  const shell = await PageShell.open(name, user, platform)
  for (const block of blocks) {
    if (block.reason !== undefined) continue
    if (block.file !== undefined) await shell.write(block.file, block.text)
    if (block.language !== 'console') continue
    const commands = commandsOf(block)
    for (const [index, command] of commands.entries()) {
      const { code, output } = await shell.run(command)
      const fails = block.flags.includes('fails') && index === commands.length - 1
      const where = `${name}.md:${block.line} $ ${command.command}`
      const text = output.map(line => line.text).join('\n')
      if (!command.isStopped) expect(code, `${where}\n${text}`).toBe(fails ? 1 : 0)
      if (command.expected.length > 0 && !isExpected(output, command.expected))
        expect(`${where}\n${text}`).toBe(`${where}\n${command.expected.join('\n')}`)
    }
  }
}
