/** Pieces of Markdown that every generated page is made of. */

/** The head of a page that nobody should edit. */
export function pageHead(title: string, text: string, outline: number | [number, number] = 2): string {
  return `---\noutline: ${JSON.stringify(outline)}\neditLink: false\n---\n\n<!-- Made by \`npm run docs:generate\`. Do not edit. -->\n\n# ${title}\n\n${text.trim()}\n`
}

export function table(head: string[], rows: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.map(cell).join(' | ')} |`).join('\n') + '\n'
}

export function code(text: string): string {
  return '`' + text + '`'
}

export function block(language: string, text: string): string {
  return '```' + language + '\n' + text.trimEnd() + '\n```\n'
}

/** `<` outside of code would begin an element. */
export function prose(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map(piece => (piece.startsWith('`') ? piece : piece.replaceAll('<', '&lt;').replaceAll('{{', '&#123;{')))
    .join('')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
