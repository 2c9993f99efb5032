/** Lint rules of our own: what may import what. */
import { dirname, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * @param root folder of sources, with a slash at its end
 * @param rows its folders, low to high; `.` is the files that are in none
 * @param only folders that may see less than their row would allow
 * @param byIndex whether a folder is imported by its index alone
 */
export function layers({ root, rows, only = {}, byIndex = false }) {
  const folderOfSources = fileURLToPath(new URL(root, import.meta.url))
  const pathOf = file => relative(folderOfSources, file).split(sep).join('/')
  const folders = rows.flat().sort((a, b) => b.length - a.length) // The innermost one counts.
  const roomOf = path => folders.find(folder => (folder === '.' ? !path.includes('/') : path.startsWith(`${folder}/`)))
  const allowedFor = room =>
    only[room] ??
    rows
      .slice(
        0,
        rows.findIndex(row => row.includes(room)),
      )
      .flat()

  const create = context => {
    const from = roomOf(pathOf(context.filename))
    const report = (node, message) => context.report({ node, message })
    if (from === undefined) return { Program: node => report(node, 'This file is in no folder of the layer table.') }
    const look = node => {
      const specifier = node.source?.value
      if (typeof specifier !== 'string' || !specifier.startsWith('.')) return
      const target = pathOf(resolve(dirname(context.filename), specifier))
      const to = roomOf(target)
      if (to === from) return
      if (to === undefined || !allowedFor(from).includes(to)) {
        report(node, `${from} may not import ${to ?? target}: see the layers in eslint.config.js.`)
      } else if (byIndex && !target.endsWith('/index.ts') && from !== 'main') {
        // An entry names the file: a command loads what it needs and no more.
        report(node, 'Import other folders by their index.')
      }
    }
    return { ImportDeclaration: look, ExportNamedDeclaration: look, ExportAllDeclaration: look, ImportExpression: look }
  }
  return { create, meta: { type: 'problem', schema: [] } }
}
