import { findNodeAtLocation, getNodeValue, type Node } from 'jsonc-parser'
import type { Problem } from '../contract/index.ts'

type Path = readonly (string | number)[]
type Finding = Pick<Problem, 'code' | 'message' | 'hint'>

/** Turns positions in a JSON document (offsets, or paths in its tree) into problems with line and column. */
export class SourceMap {
  readonly #file: string
  readonly #lineStarts: number[]
  readonly #root: Node | undefined

  constructor(file: string, text: string, root: Node | undefined) {
    this.#file = file
    this.#lineStarts = [0]
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) this.#lineStarts.push(at + 1)
    this.#root = root
  }

  atOffset(finding: Finding, offset: number, length: number): Problem {
    const start = this.#position(offset)
    const end = this.#position(offset + length)
    return { ...finding, file: this.#file, ...start, endLine: end.line, endColumn: end.column }
  }

  /** Points at the value under `path`; at the nearest ancestor that exists if the value is missing. */
  atPath(finding: Finding, path: Path): Problem {
    for (let depth = path.length; depth >= 0; depth--) {
      const node = this.#root && findNodeAtLocation(this.#root, path.slice(0, depth))
      if (node) {
        // Underlining a whole object is too much: its opening brace is enough.
        return this.atOffset(finding, node.offset, node.type === 'object' ? 1 : node.length)
      }
    }
    return this.atOffset(finding, 0, 0)
  }

  /** Points at the key `key` of the object under `path`. */
  atKey(finding: Finding, path: Path, key: string): Problem {
    const object = this.#root && findNodeAtLocation(this.#root, [...path])
    const property = object?.children?.find(child => child.children?.[0] && getNodeValue(child.children[0]) === key)
    const keyNode = property?.children?.[0]
    return keyNode ? this.atOffset(finding, keyNode.offset, keyNode.length) : this.atPath(finding, path)
  }

  #position(offset: number): { line: number; column: number } {
    let low = 0
    let high = this.#lineStarts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#lineStarts[middle]! <= offset) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: offset - this.#lineStarts[low]! + 1 }
  }
}
