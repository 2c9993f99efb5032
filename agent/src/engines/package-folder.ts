import { stat } from 'node:fs/promises'
import { RyoFaasError } from '../contract/index.ts'
import type { BuiltPackage } from './engine.ts'

/** @throws RyoFaasError VERSION_NOT_FOUND if somebody removed the folder. */
export async function requirePackage({ dir, route }: BuiltPackage): Promise<void> {
  const info = await stat(dir).catch(() => undefined)
  if (info?.isDirectory()) return
  throw new RyoFaasError('VERSION_NOT_FOUND', `the built code of ${route} is gone from ${dir}`, {
    hint: 'Deploy the function again.',
  })
}
