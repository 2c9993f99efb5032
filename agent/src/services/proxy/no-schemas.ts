import type { FastifyServerOptions } from 'fastify'

/**
 * For servers without schemas at their routes: fastify would load its validator and serializer (ajv,
 * fast-json-stringify) anyway, which is a quarter of the proxy's start. These two are never called,
 * so they only exist, without the compilers' types.
 */
export const NO_SCHEMAS = {
  compilersFactory: {
    buildValidator: () => () => () => true,
    buildSerializer: () => () => JSON.stringify,
  },
} as unknown as NonNullable<FastifyServerOptions['schemaController']>
