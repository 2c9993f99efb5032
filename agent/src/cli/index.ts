export { runCli, type CliOptions } from './cli.ts'
export type { CliHost } from './context.ts'
