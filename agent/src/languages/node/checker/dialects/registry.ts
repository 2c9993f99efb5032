/** All dialects, in the order in which they are tried. */
import { connectApp, fastifyApp, koaApp, nestApp } from './apps.ts'
import type { Dialect } from './dialect.ts'
import { expressFunction, firebaseFunction, googleFunction, vercelFunction } from './express-style.ts'
import { fetchServer } from './fetch-server.ts'
import { awsLambda } from './lambda.ts'
import { untyped } from './untyped.ts'

/** Before handlers of our own: these would pass as one, or cannot be called. */
export const BEFORE_OWN: readonly Dialect[] = [
  ...[nestApp, fastifyApp, fetchServer, koaApp, connectApp],
  ...[awsLambda, googleFunction, firebaseFunction, untyped],
]

/** For what is no handler of our own. */
export const AFTER_OWN: readonly Dialect[] = [vercelFunction, expressFunction]
