/** Extensions of TypeScript and JavaScript modules. Separate, because the editor's worker loads it too. */
export const MODULE_ENDINGS = ['.ts', '.mts', '.cts', '.tsx', '.js', '.mjs', '.cjs', '.jsx'] as const
