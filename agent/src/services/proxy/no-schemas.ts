import type { FastifyServerOptions } from 'fastify'

/**
 * For servers none of whose routes has a schema: fastify would load its validator and serializer (ajv,
 * fast-json-stringify) all the same, which is a quarter of the proxy's start. These two are never asked for anything,
 * so they have no more of the compilers' types than that they are there.
 */
export const NO_SCHEMAS = {
  compilersFactory: {
    buildValidator: () => () => () => true,
    buildSerializer: () => () => JSON.stringify,
  },
} as unknown as NonNullable<FastifyServerOptions['schemaController']>
