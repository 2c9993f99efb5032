/** Files that may hold what deploy.json holds, if there is no deploy.json; and package.json, in this field. */
export const CONFIG_FILES = ['ts', 'mts', 'js', 'mjs', 'json'].map(ending => `ryo-faas.config.${ending}`)
export const PACKAGE_FIELD = 'ryo-faas'
