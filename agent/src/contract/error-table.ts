/**
 * Every error the control plane can answer with, in one table. Invariants:
 *
 * 1. An error is recognised by its code, never by its text.
 * 2. `fault: 'user'`: the message says what to change; the CLI exits with 1. `fault: 'platform'`: ours; it exits with
 * 70.
 * 3. The documentation lists the codes, and in docs/troubleshooting.md what to do about each; tests compare them.
 */
export const ERRORS = {
  UNAUTHORIZED: { status: 401, fault: 'user', retryable: false, about: 'The bearer token is missing or wrong' },
  FORBIDDEN_ORIGIN: { status: 403, fault: 'user', retryable: false, about: 'The Host or Origin header is not allowed' },
  FORBIDDEN: { status: 403, fault: 'user', retryable: false, about: 'The token is not for this' },
  INVALID_REQUEST: { status: 400, fault: 'user', retryable: false, about: 'The request does not match its schema' },
  ROUTE_NOT_FOUND: { status: 404, fault: 'user', retryable: false, about: 'The agent has no such route' },
  DEPLOY_FILE_INVALID: { status: 422, fault: 'user', retryable: false, about: 'deploy.json has problems' },
  CHECK_FAILED: {
    status: 422,
    fault: 'user',
    retryable: false,
    about: 'A handler does not have a supported signature',
  },
  BUILD_FAILED: { status: 422, fault: 'user', retryable: false, about: 'The code could not be bundled' },
  START_FAILED: {
    status: 422,
    fault: 'user',
    retryable: false,
    about: 'The new version did not become ready; the old one keeps serving',
  },
  DEPLOYMENT_NOT_FOUND: { status: 404, fault: 'user', retryable: false, about: 'No deployment has this name' },
  NAME_TAKEN: { status: 409, fault: 'user', retryable: false, about: 'A function of another project has this name' },
  ROUTE_TAKEN: { status: 409, fault: 'user', retryable: false, about: 'Another function serves this route' },
  VERSION_NOT_FOUND: { status: 404, fault: 'user', retryable: false, about: 'The deployment has no such version' },
  SECRET_NOT_FOUND: { status: 422, fault: 'user', retryable: false, about: 'A secret named in deploy.json is not set' },
  KEY_NOT_FOUND: { status: 404, fault: 'user', retryable: false, about: 'No key has this id or name' },
  PACKAGE_INVALID: {
    status: 422,
    fault: 'user',
    retryable: false,
    about: 'A package or artefact is damaged, was changed, or is too large',
  },
  PACKAGE_INCOMPLETE: {
    status: 409,
    fault: 'platform',
    retryable: true,
    about: 'The agent lacks files of a package that is to be deployed',
  },
  PACKAGE_UNSUITABLE: {
    status: 422,
    fault: 'user',
    retryable: false,
    about: 'A package has machine code for another system than the one it is deployed to',
  },
  BACKUP_INVALID: {
    status: 422,
    fault: 'user',
    retryable: false,
    about: 'A backup is damaged, was changed, or is none',
  },
  HOME_NOT_EMPTY: {
    status: 409,
    fault: 'user',
    retryable: false,
    about: 'A restore would replace what is in RYO_FAAS_HOME',
  },
  TOO_MANY_ATTEMPTS: {
    status: 429,
    fault: 'user',
    retryable: true,
    about: 'Too many attempts to sign in at the dashboard from one address',
  },
  TOKEN_NOT_FOUND: { status: 404, fault: 'user', retryable: false, about: 'No token has this id or name' },
  SERVER_NOT_FOUND: { status: 404, fault: 'user', retryable: false, about: 'No server has this name' },
  SERVER_UNREACHABLE: { status: 503, fault: 'user', retryable: true, about: 'A server cannot be reached, or not used' },
  NODE_NOT_FOUND: {
    status: 422,
    fault: 'user',
    retryable: false,
    about: 'This machine has no Node of the version in deploy.json',
  },
  HANDLER_NOT_FOUND: { status: 404, fault: 'user', retryable: false, about: 'The deployment has no such trigger' },
  NO_TEST_CLOCK: {
    status: 409,
    fault: 'user',
    retryable: false,
    about: 'The schedules of this platform follow the real clock, which cannot be set',
  },
  TRACE_NOT_FOUND: { status: 404, fault: 'user', retryable: false, about: 'No stored trace has this id' },
  UNSUPPORTED: {
    status: 422,
    fault: 'user',
    retryable: false,
    about: 'The engine, or this version of ryo-faas, does not support this',
  },
  STORE_UNAVAILABLE: { status: 503, fault: 'platform', retryable: true, about: 'The store is not responding' },
  CANCELLED: { status: 499, fault: 'user', retryable: true, about: 'The operation was cancelled' },
  NOT_RUNNING: { status: 503, fault: 'user', retryable: true, about: 'ryo-faas is not running in this home' },
  ALREADY_RUNNING: {
    status: 409,
    fault: 'user',
    retryable: false,
    about: 'ryo-faas is already running in this home with different options',
  },
  PORT_TAKEN: { status: 409, fault: 'user', retryable: true, about: 'A port is in use by another program' },
  DOCKER_UNREACHABLE: { status: 503, fault: 'user', retryable: true, about: 'The Docker engine is not responding' },
  BASE_IMAGE_UNAVAILABLE: { status: 503, fault: 'user', retryable: true, about: 'No base image is available' },
  REGISTRY_FAILED: { status: 502, fault: 'user', retryable: true, about: 'The registry does not take images' },
  NATS_UNAVAILABLE: { status: 503, fault: 'user', retryable: true, about: 'No nats-server could be found or started' },
  CLUSTER_KEY_WRONG: {
    status: 409,
    fault: 'user',
    retryable: false,
    about: 'The agents of this platform have different cluster keys',
  },
  STANDS_BY: {
    status: 421,
    fault: 'user',
    retryable: false,
    about: 'This agent stands by, and the one that leads cannot read the files of this machine',
  },
  NOT_LEADING: {
    status: 503,
    fault: 'platform',
    retryable: true,
    about: 'Another agent is about to lead the platform; nothing was done',
  },
  LEADER_LOST: {
    status: 503,
    fault: 'platform',
    retryable: false,
    about: 'The agent that led was lost meanwhile: what was asked is done, or in part, or not',
  },
  HOME_UNUSABLE: { status: 500, fault: 'user', retryable: false, about: 'RYO_FAAS_HOME cannot be read or written' },
  INVALID_OPTION: { status: 400, fault: 'user', retryable: false, about: 'An option or variable has an invalid value' },
  TESTS_FAILED: { status: 422, fault: 'user', retryable: false, about: 'A response is not as its .http file expects' },
  IMAGE_GONE: { status: 503, fault: 'platform', retryable: true, about: 'The image of a version was removed' },
  ENGINE_FAILED: { status: 502, fault: 'platform', retryable: true, about: 'The engine refused or failed' },
  BAD_NATS: { status: 503, fault: 'user', retryable: true, about: 'The NATS of --nats-url cannot be used' },
  BAD_DATABASE: { status: 503, fault: 'user', retryable: true, about: 'The database of the store cannot be used' },
  PART_FAILED: { status: 503, fault: 'platform', retryable: true, about: 'A part of the platform did not start' },
  INTERNAL: { status: 500, fault: 'platform', retryable: false, about: 'An internal error of ryo-faas' },
} as const satisfies Record<string, ErrorRow>

interface ErrorRow {
  /** HTTP status at the agent API. */
  status: number
  fault: 'user' | 'platform'
  retryable: boolean
  /** One line for the documentation. */
  about: string
}

export type ErrorCode = keyof typeof ERRORS
