/** What our pages need of Markdown beyond VitePress's own. */
import type { MarkdownOptions } from 'vitepress'

type Markdown = Parameters<NonNullable<MarkdownOptions['config']>>[0]

export function extendMarkdown(markdown: Markdown): void {
  nameFiles(markdown)
  keepBraces(markdown)
}

/** Shows the name of a file above its block: ` ```ts [src/hello.ts] `. The tests write it to that file. */
function nameFiles(markdown: Markdown): void {
  const fence = markdown.renderer.rules.fence!
  markdown.renderer.rules.fence = (tokens, index, options, environment, self) => {
    // VitePress takes it out of there.
    const name = /^\S+ \[([^\]]+)\]/.exec(tokens[index]!.info)?.[1]
    const html = fence(tokens, index, options, environment, self)
    return name === undefined
      ? html
      : `<div class="named-file"><div class="file-name">${markdown.utils.escapeHtml(name)}</div>${html}</div>`
  }
}

/** `{{url}}` in code is text, not an expression of a Vue template. */
function keepBraces(markdown: Markdown): void {
  const code = markdown.renderer.rules.code_inline!
  markdown.renderer.rules.code_inline = (tokens, index, ...rest) => {
    tokens[index]!.attrSet('v-pre', '')
    return code(tokens, index, ...rest)
  }
}
