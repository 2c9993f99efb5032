import { Document, isScalar, visit } from 'yaml'
import type { KubernetesObject } from './manifests.ts'

/** Printable for YAML 1.2, but line breaks or nothing for YAML 1.1. */
const OTHER_BREAKS = /[\u0080-\u009f\u2028\u2029\ufeff]/g

/** As Kubernetes reads it, which is YAML 1.1: what would be a number, a switch or a line break there is quoted. */
export function manifestText(objects: readonly KubernetesObject[]): string {
  return objects
    .map(object => {
      const document = new Document(object, { compat: 'yaml-1.1', aliasDuplicateObjects: false })
      visit(document, {
        Scalar: (_, node) => {
          if (isScalar<string>(node) && String(node.value).search(OTHER_BREAKS) !== -1) node.type = 'QUOTE_DOUBLE'
        },
      })
      return `---\n${document.toString({ lineWidth: 0 }).replaceAll(OTHER_BREAKS, escaped)}`
    })
    .join('')
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
