/**
 * The tables of the store, and how those of an earlier version become them. Invariants: 1. A migration that was released
 * is never changed; a new one follows it. 2. They run in one transaction under the writers' lock: of two stores that
 * start at once one waits, and one that is writing with the version before finishes first.
 */
import type { ClientBase } from 'pg'
import { databaseProblem } from './faults.ts'
import { SCHEMA, WRITE_LOCK } from './names.ts'

/**
 * A field is JSON, as a path may have any character. `text` is what is answered, as it was written; `fields` is the same for queries (see `fields.ts`). A table has a number,
 * so that one of the same name begins with nothing while what a dropped one leaves is swept.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE ${SCHEMA}.state (name text PRIMARY KEY, value jsonb NOT NULL);
  INSERT INTO ${SCHEMA}.state VALUES ('epoch', to_jsonb(gen_random_uuid()::text)), ('trimmed', '0');
  CREATE TABLE ${SCHEMA}.tables (
    number int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    documents bigint NOT NULL DEFAULT 0
  ) WITH (fillfactor = 20);
  CREATE TABLE ${SCHEMA}.indexes (
    number int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_number int NOT NULL,
    field text COLLATE "C" NOT NULL,
    is_ready boolean NOT NULL,
    UNIQUE (table_number, field)
  );
  CREATE TABLE ${SCHEMA}.dropped (table_number int PRIMARY KEY);
  CREATE TABLE ${SCHEMA}.documents (
    table_number int NOT NULL,
    id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    created_at text COLLATE "C" NOT NULL,
    edited_at text COLLATE "C" NOT NULL,
    fields jsonb NOT NULL,
    text text NOT NULL,
    PRIMARY KEY (table_number, id)
  );
  CREATE TABLE ${SCHEMA}.deleted (
    table_number int NOT NULL,
    id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (table_number, id)
  );
  CREATE INDEX deleted_by_sequence ON ${SCHEMA}.deleted (sequence);
  CREATE TABLE ${SCHEMA}.log (
    sequence bigint PRIMARY KEY,
    table_name text COLLATE "C" NOT NULL,
    time text COLLATE "C" NOT NULL,
    text text NOT NULL
  );
  CREATE TABLE ${SCHEMA}.writers (
    instance uuid PRIMARY KEY,
    batch bigint NOT NULL,
    last_at timestamptz NOT NULL DEFAULT now()
  ) WITH (fillfactor = 20);
  `,
]

/** @throws an error with code BAD_DATABASE if it is of a newer version, or may not be changed */
export async function migrate(client: ClientBase): Promise<void> {
  await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
  try {
    await client.query('SELECT pg_advisory_xact_lock($1)', [WRITE_LOCK])
    const version = await versionOf(client)
    if (version > MIGRATIONS.length) {
      throw databaseProblem(
        `the schema "${SCHEMA}" has version ${version}, and this ryo-faas knows ${MIGRATIONS.length}: ` +
          'a newer ryo-faas has used this database. Install that version or a later one, or name another database',
      )
    }
    for (const migration of MIGRATIONS.slice(version)) await client.query(migration)
    if (version < MIGRATIONS.length) {
      await client.query(`UPDATE ${SCHEMA}.schema_version SET version = $1`, [MIGRATIONS.length])
    }
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined) // What was thrown says more.
    throw error
  }
}

/** 0 if there is nothing. The schema may be there already: one who may not create it may be given it. */
async function versionOf(client: ClientBase): Promise<number> {
  const { rows } = await client.query<{ schema: string | null; version: string | null }>(
    `SELECT to_regnamespace('${SCHEMA}')::text AS schema, to_regclass('${SCHEMA}.schema_version')::text AS version`,
  )
  const [{ schema, version } = { schema: null, version: null }] = rows
  if (schema === null) await client.query(`CREATE SCHEMA ${SCHEMA}`)
  if (version === null) {
    await client.query(`CREATE TABLE ${SCHEMA}.schema_version (version int NOT NULL)`)
    await client.query(`INSERT INTO ${SCHEMA}.schema_version VALUES (0)`)
    return 0
  }
  const known = await client.query<{ version: number }>(`SELECT version FROM ${SCHEMA}.schema_version`)
  return known.rows[0]?.version ?? 0
}
