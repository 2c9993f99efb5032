/** The adapters, which the generated entry imports by name (`@ryo-faas/runtime/dialects`): what it leaves out is not bundled. */
export type { Adapted, Adapter, Surroundings } from './adapter.ts'
export { awsLambda, provideAwslambda } from './aws-lambda.ts'
export { fetchObject } from './fetch-object.ts'
export { expressHandler, fastifyApp, functionsFramework, koaApp, nestApp } from './node-apps.ts'
export { openfaas } from './openfaas.ts'
export { routeModule } from './route-module.ts'
export { vercel } from './vercel.ts'
