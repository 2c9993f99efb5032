/** The folder of a built package, and the errors when it, or its image, is gone. */
import { stat } from 'node:fs/promises'
import { RyoFaasError } from '../contract/index.ts'
import type { BuiltPackage, InstanceSpec } from './engine.ts'

/** @throws RyoFaasError VERSION_NOT_FOUND if the folder was removed. */
export async function requirePackage({ dir, route }: BuiltPackage): Promise<void> {
  if (await isFolder(dir)) return
  throw new RyoFaasError('VERSION_NOT_FOUND', `the built code of ${route} is gone from ${dir}`, {
    hint: 'Deploy the function again.',
  })
}

export async function isFolder(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => undefined)
  return info?.isDirectory() === true
}

export function imageGone({ route, image }: Pick<InstanceSpec, 'route' | 'image'>, cause?: unknown): RyoFaasError {
  return new RyoFaasError('IMAGE_GONE', `the image of ${route}, ${image}, is gone`, {
    ...(cause !== undefined && { cause }),
  })
}
