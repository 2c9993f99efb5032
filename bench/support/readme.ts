/** Writes the results of a bench into `bench/README.md` between its markers; the rest of the file stays. */
import { readFile, writeFile } from 'node:fs/promises'
import { asMarkdown, type Bench, type Report } from './report.ts'

const README = new URL('../README.md', import.meta.url)

export async function writeReadme(
  bench: Bench,
  { report, machine }: { report: Report; machine: string },
): Promise<void> {
  const before = await readFile(README, 'utf8')
  const [begin, end] = [`<!-- ${bench.name}: begin -->`, `<!-- ${bench.name}: end -->`]
  const [from, to] = [before.indexOf(begin), before.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`bench/README.md has no place for ${bench.name}: ${begin} … ${end}`)
  const measured = `_${new Date().toISOString().slice(0, 10)} · ${machine}_`
  const section = [begin, asMarkdown(bench, report), measured, ''].join('\n\n')
  await writeFile(README, before.slice(0, from) + section.trimEnd() + '\n\n' + before.slice(to))
}
