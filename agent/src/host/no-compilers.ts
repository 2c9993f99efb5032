import type { FastifyServerOptions } from 'fastify'

/**
 * For servers that validate and serialize by other means: fastify would load its validator and serializer (ajv,
 * fast-json-stringify) anyway, which is a quarter of a part's start. Everything is valid to these two, and becomes JSON;
 * `setValidatorCompiler` and `setSerializerCompiler` replace them. They lack the types of the libraries' own options.
 */
export const NO_COMPILERS = {
  compilersFactory: {
    buildValidator: () => () => () => true,
    buildSerializer: () => () => JSON.stringify,
  },
} as unknown as NonNullable<FastifyServerOptions['schemaController']>
