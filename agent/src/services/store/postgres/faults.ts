/** What PostgreSQL's errors mean: for requests, and for who starts the store. */
import { StoreError } from '@ryo-faas/runtime/documents'

/** The shape of the driver's errors, of PostgreSQL (SQLSTATE) or of the operating system. */
interface Fault extends Error {
  code?: string
}

/** SQLSTATE or its class → what a request is answered. */
const FULL = /^(?:53100|ENOSPC)$/
/** Connections, resources, shutdown and recovery; read-only after a failover. */
const AWAY = /^(?:08(?!P01)|53|57P|25006|E[A-Z]+$)/
const DRIVER_AWAY = /connection terminated|client has encountered a connection error|not queryable|timeout/i
const CANCELLED = '57014'

export function isAway(error: unknown): boolean {
  const { code, message } = error as Fault
  return code === undefined ? DRIVER_AWAY.test(message) : AWAY.test(code) && !FULL.test(code)
}

/** @param error that made nothing happen */
export function translateFault(error: unknown): StoreError {
  if (error instanceof StoreError) return error
  const { code = '', message } = error as Fault
  if (FULL.test(code)) {
    return new StoreError('STORAGE_FULL', `the disk of the database is full (${message})`, { cause: error })
  }
  if (isAway(error)) return storageAway(message, error)
  if (code === CANCELLED || code === '') {
    return new StoreError('INTERNAL', `the database failed: ${message}`, { cause: error })
  }
  return new StoreError('STORAGE_FAILED', `the database did not take it (${code}: ${message})`, { cause: error })
}

export function storageAway(why: string, cause?: unknown): StoreError {
  return new StoreError('STORAGE_UNAVAILABLE', `the database cannot be reached: ${why}`, { cause })
}

/** For who starts the store. */
export function databaseProblem(message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code: 'BAD_DATABASE' })
}

/** @param place of the database, without a password */
export function explainStart(error: unknown, place: string): Error {
  const { code = '', message } = error as Fault
  if (code === 'BAD_DATABASE') return error as Error
  const [what, hint] = whatToDo(code, message)
  return databaseProblem(`PostgreSQL at ${place}: ${what} (${message}). ${hint}`, error)
}

function whatToDo(code: string, message: string): [what: string, hint: string] {
  switch (code) {
    case '28P01':
    case '28000':
      return [
        'it does not let this role in',
        'Check user and password of --store, PGPASSWORD or the passfile, and pg_hba.conf of the server',
      ]
    case '3D000':
      return ['there is no such database', 'Create it: CREATE DATABASE name']
    case '42501':
      return [
        'this role may not do what the store needs',
        'Let it create a schema: GRANT CREATE ON DATABASE name TO role, or give it one: CREATE SCHEMA ryo_faas AUTHORIZATION role',
      ]
    case '53300':
      return [
        'it has no connection left',
        'Raise max_connections, or the connection limit of the role: the store takes up to 12',
      ]
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return ['its host is not known', 'Check the host name of --store']
    case 'ECONNREFUSED':
    case 'ENOENT':
      return ['nothing listens there', 'Start PostgreSQL, or check host and port of --store']
    default:
      break
  }
  if (/SSL|certificate|TLS/i.test(message)) {
    return ['the connection could not be secured', 'Check sslmode, sslrootcert and the server’s certificate']
  }
  if (/password/i.test(message)) {
    return ['it asks for a password', 'Give one in --store, in PGPASSWORD, or in a passfile (PGPASSFILE, ~/.pgpass)']
  }
  return isAway(error_(code, message))
    ? ['it cannot be reached', 'Check host and port of --store, and that a firewall lets them through']
    : ['it cannot be used', 'The message above is PostgreSQL’s own']
}

function error_(code: string, message: string): Fault {
  return Object.assign(new Error(message), code === '' ? {} : { code })
}
