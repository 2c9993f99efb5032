/** `npm run docs:generate`: writes the pages of the reference. */
import { mkdir, writeFile } from 'node:fs/promises'
import { generatePages, REFERENCE } from './pages.ts'

await mkdir(REFERENCE, { recursive: true })
for (const [name, text] of await generatePages()) await writeFile(new URL(name, REFERENCE), text)
