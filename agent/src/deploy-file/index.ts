export { readDeployFile, type ReadFunction } from './read-deploy-file.ts'
