/** Endings of the files that are modules of TypeScript or JavaScript. Apart, because the editor's worker loads it too. */
export const MODULE_ENDINGS = ['.ts', '.mts', '.cts', '.tsx', '.js', '.mjs', '.cjs', '.jsx'] as const
