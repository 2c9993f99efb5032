/** Lint rules of our own: what may import what. */
import { dirname, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('agent/src/', import.meta.url))

/**
 * @param rows folders of `agent/src`, low to high
 * @param only folders that may see less than their row would allow
 */
export function layers(rows, only) {
  const all = rows.flat()
  const roomOf = path => all.find(folder => `${path}/`.startsWith(`${folder}/`))
  const allowedFor = room =>
    only[room] ??
    rows
      .slice(
        0,
        rows.findIndex(row => row.includes(room)),
      )
      .flat()

  const create = context => {
    const file = relative(ROOT, context.filename).split(sep).join('/')
    const from = roomOf(file)
    const report = (node, message) => context.report({ node, message })
    if (from === undefined) return { Program: node => report(node, 'This file is in no folder of the layer table.') }
    const look = node => {
      const specifier = node.source?.value
      if (typeof specifier !== 'string' || !specifier.startsWith('.')) return
      const target = relative(ROOT, resolve(dirname(context.filename), specifier))
        .split(sep)
        .join('/')
      const to = roomOf(target)
      if (to === from) return
      if (to === undefined || !allowedFor(from).includes(to)) {
        report(node, `${from} may not import ${to ?? target}: see the layers in eslint.config.js.`)
      } else if (!target.endsWith('/index.ts') && from !== 'main') {
        // An entry names the file: a command loads what it needs and no more.
        report(node, 'Import other folders by their index.')
      }
    }
    return { ImportDeclaration: look, ExportNamedDeclaration: look, ExportAllDeclaration: look, ImportExpression: look }
  }
  return { create, meta: { type: 'problem', schema: [] } }
}
