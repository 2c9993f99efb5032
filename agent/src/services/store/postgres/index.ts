/** The store in a PostgreSQL database: documents, indexes and the log in a schema of its own. */
export { openPostgresStore } from './postgres-store.ts'
