/**
 * Packages that do not work inside a bundle, with the reason: they stay in `node_modules`, like those that deploy.json
 * names in `unbundled`. Those that read files were tried in a bundle and failed; the names of drivers are those in the
 * code of TypeORM and Sequelize. What works bundled (most ORMs and frameworks) is not here.
 */
export interface KnownPackage {
  /** Its name, or a group of names with `*`. */
  name: string
  /** Ends the sentence “x is not bundled: it …”. */
  why: string
  /**
   * Packages that load it by a name only known at run time, so no import shows it: it is taken along where one of
   * these is used and the function's package.json lists it in `dependencies`.
   */
  loadedBy?: readonly string[]
}

const READS = 'reads files next to its code'
function views(...names: string[]): KnownPackage[] {
  return names.map(name => ({ name, why: 'is loaded by name as a view engine', loadedBy: ['express'] }))
}

function reading(...names: string[]): KnownPackage[] {
  return names.map(name => ({ name, why: READS }))
}

function transports(...names: string[]): KnownPackage[] {
  return names.map(name => ({ name, why: 'is loaded by name as a transport of pino', loadedBy: ['pino'] }))
}

function drivers(loadedBy: string, ...names: string[]): KnownPackage[] {
  return names.map(name => ({ name, why: `is loaded by name by ${loadedBy}`, loadedBy: [loadedBy] }))
}

export const KNOWN_PACKAGES: readonly KnownPackage[] = [
  ...reading('jsdom', 'tiktoken', 'swagger-ui-dist', 'pdfkit', 'geoip-lite'),
  { name: 'playwright-core', why: 'reads its own package.json, and starts programs next to its code' },
  { name: 'pino', why: 'runs transports in threads, whose code it finds next to its own' },
  ...transports('pino-*', '@*/pino', '@*/pino-*'),
  ...views('ejs', 'pug', 'hbs'),
  ...drivers(
    'typeorm',
    'pg',
    'pg-native',
    'pg-query-stream',
    'mysql2',
    'mssql',
    'better-sqlite3',
    'sql.js',
    'oracledb',
  ),
  ...drivers('typeorm', 'mongodb', 'ioredis', '@sap/hana-client', '@google-cloud/spanner'),
  ...drivers('sequelize', 'pg', 'pg-hstore', 'pg-native', 'mysql2', 'mariadb', 'sqlite3', 'tedious', 'oracledb'),
]

/** Whether a name is `pattern`, in which `*` stands for any part of a name without `/`. */
export function matchesName(name: string, pattern: string): boolean {
  if (!pattern.includes('*')) return name === pattern
  const parts = pattern.split('*').map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('[^/]*')}$`).test(name)
}
